"""What crosses the line beside calls: events, jobs, and what reaches past an interface."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from scaffold.carving.sources import Source, Sources
from scaffold.contents import Contents, Place
from scaffold.removing import dependents
from scaffold.removing.belongings import Belongings
from scaffold.repository import MODULES

_PACKAGE = "app.modules."


@dataclass(frozen=True)
class Crossing:
    """An event of one module that another one hears.

    Attributes:
        place: where it is subscribed to.
        published: where it is published; `what` is the function.
    """

    event: str
    publisher: str
    hearer: str
    place: Place
    published: tuple[Place, ...]


def events(sources: Sources, name: str) -> list[Crossing]:
    """Events of a module that others hear, and of others that it hears."""
    found = []
    for source in sources.around(name):
        if not source.module:
            continue
        for key in _subscriptions(source):
            dotted = sources.canonical(source.dotted_name(key))
            publisher = _module(dotted)
            if publisher != source.module and name in (publisher, source.module):
                # A function in another one publishes once; the inner one is found last.
                told = {(p.file, p.line): p for p in _published(sources, publisher, dotted)}
                places = tuple(told.values())
                event, at = dotted.rpartition(".")[2], Place(source.path, key.lineno, "")
                found.append(Crossing(event, publisher, source.module, at, places))
    return found


def _module(dotted: str) -> str:
    return dotted.split(".")[2] if dotted.startswith(_PACKAGE) else ""


def _subscriptions(source: Source) -> Iterator[ast.expr]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.keyword) and node.arg == "subscriptions":
            yield from filter(None, _dict(source, node.value).keys)


def _dict(source: Source, value: ast.AST | None) -> ast.Dict:
    """The dict that stands there, itself or by its name; an empty one where there is none."""
    if isinstance(value, ast.Name):
        value = getattr(source.defined.get(value.id), "value", None)
    return value if isinstance(value, ast.Dict) else ast.Dict([], [])


def _published(sources: Sources, module: str, event: str) -> Iterator[Place]:
    for source in sources.of_module(module):
        for function in ast.walk(source.tree):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            made = {
                target.id: node.value
                for node in ast.walk(function)
                if isinstance(node, ast.Assign)
                for target in node.targets
                if isinstance(target, ast.Name)
            }
            for node in ast.walk(function):
                match node:
                    case ast.Call(func=ast.Attribute(attr="publish"), args=[*_, told]):
                        if isinstance(told, ast.Name):
                            told = made.get(told.id, told)
                        kind = told.func if isinstance(told, ast.Call) else told
                        if sources.canonical(source.dotted_name(kind)) == event:
                            yield Place(source.path, node.lineno, function.name)


def jobs(sources: Sources, name: str) -> list[Place]:
    """Where others enqueue a job of a module, or it one of theirs."""
    found = []
    for source in sources.around(name):
        for node in ast.walk(source.tree):
            match node:
                case ast.Call(func=ast.Attribute(value=value, attr="enqueue")):
                    owner = _module(job := sources.canonical(source.dotted_name(value)))
                    if owner and owner != source.module and name in (owner, source.module):
                        what = f"enqueues {owner}.{job.rpartition('.')[2]}"
                        found.append(Place(source.path, node.lineno, what))
    return found


def later(sources: Sources) -> set[str]:
    """The full names of all functions that a worker runs: jobs, and handlers of events."""
    found: set[str] = set()
    for source in sources:
        if source.module and source.dotted.endswith(".wiring"):
            for node in ast.walk(source.tree):
                match node:
                    case ast.keyword(arg="jobs", value=ast.List(elts=each) | ast.Tuple(elts=each)):
                        listed = each
                    case ast.keyword(arg="subscriptions", value=value):
                        listed = _dict(source, value).values
                    case _:
                        continue
                found |= {sources.canonical(source.dotted_name(each)) for each in listed}
    return found


def past_the_interface(
    sources: Sources, contents: Contents, name: str, has: dict[str, Belongings]
) -> list[Place]:
    """Imports from inside a module, and SQL on its tables, in both directions."""
    found = []
    for source in sources.around(name):
        for node in ast.walk(source.tree):
            for dotted in _imported(source, node):
                other, _, inside = dotted.removeprefix(_PACKAGE).partition(".")
                is_inside = f"{_PACKAGE}{other}.{inside.split('.')[0]}" in sources.files
                if is_inside and other != source.module and name in (other, source.module):
                    line = getattr(node, "lineno", 1)
                    found.append(Place(source.path, line, f"imports {dotted}"))
    folder = f"{MODULES.as_posix()}/{name}/"
    own = {path: text for path, text in contents.items() if path.startswith(folder)}
    for other, belongings in has.items():
        read = contents if other == name else own
        found += [
            place
            for place in dependents.find(other, read, belongings.tables)
            if place.what.startswith("SQL") and "tests" not in place.file.split("/")
        ]
    return sorted(set(found))


def _imported(source: Source, node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (each.name for each in node.names if each.name.startswith(_PACKAGE))
    elif isinstance(node, ast.ImportFrom):
        for each in node.names:
            dotted = source.names.get(each.asname or each.name, "")
            if dotted.startswith(_PACKAGE):
                yield dotted
