"""The application's code, parsed and never imported, and what the names in it stand for."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from scaffold.contents import Contents
from scaffold.errors import ScaffoldError
from scaffold.repository import MODULES

_SOURCE = "src/"
_APP = f"{_SOURCE}app/"
_MODULES = f"{MODULES.as_posix()}/"
_NOT_READ = ("tests/platform/", "src/app/development/")
"""They know no module of the repository."""
_PLATFORM = "app.platform"

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = ast.ClassDef | Function | ast.Assign | ast.AnnAssign | ast.stmt


@dataclass
class Source:
    """One file.

    Attributes:
        path: relative to the root.
        dotted: as it is imported.
        module: whose folder it stands in; empty for what is no module's.
        names: what its names stand for: imports, and what it defines at its top.
        defined: what it defines at its top.
        stars: packages of which it takes all names.
    """

    path: str
    dotted: str
    module: str
    tree: ast.Module
    names: dict[str, str] = field(default_factory=dict)
    defined: dict[str, Definition] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)

    @property
    def is_test(self) -> bool:
        """Whether it tests a module, or the whole."""
        return "tests" in self.path.split("/")

    def dotted_name(self, node: ast.AST | None) -> str:
        """What an expression names: `app.modules.billing.Billing`; empty where it names nothing."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id, node.id)
        if isinstance(node, ast.Attribute) and (start := self.dotted_name(node.value)):
            return f"{start}.{node.attr}"
        return ""


class Sources:
    """All of it: what the platform and modules are made of, and what tests them.

    Iterating leaves out the tests, and the platform.

    Attributes:
        files: by the name under which each is imported.
    """

    def __init__(self, contents: Contents) -> None:
        self.files: dict[str, Source] = {}
        for path, content in contents.items():
            if path.startswith((_APP, "tests/")) and path.endswith(".py"):
                if path.startswith(_NOT_READ):
                    continue
                source = _parse(path, content)
                self.files[source.dotted] = source
        for source in self.files.values():
            for name, dotted in self._starred(source, {source.dotted}):
                source.names.setdefault(name, dotted)

    def _starred(self, source: Source, above: set[str]) -> Iterator[tuple[str, str]]:
        """What a file takes with `import *`, through others that do so."""
        for star in source.stars:
            if (other := self.files.get(star)) and star not in above:
                yield from ((n, d) for n, d in other.names.items() if not n.startswith("_"))
                yield from self._starred(other, above | {star})

    def __iter__(self) -> Iterator[Source]:
        return (
            each
            for each in self.files.values()
            if not each.is_test and not each.dotted.startswith(_PLATFORM)
        )

    @property
    def tests(self) -> list[Source]:
        """What tests modules, and the whole."""
        return [each for each in self.files.values() if each.is_test]

    def of_module(self, name: str) -> list[Source]:
        """The files of a module, its migrations left out."""
        return [each for each in self if each.module == name and ".migrations." not in each.dotted]

    def around(self, name: str) -> list[Source]:
        """The files of a module, and those that import something of it, as far as can be seen."""
        package = f"app.modules.{name}"
        return [
            each
            for each in self
            if each.module == name
            or any(
                dotted in ("app", "app.modules") or f"{dotted}.".startswith(f"{package}.")
                for dotted in each.names.values()
            )
        ]

    def find(self, dotted: str) -> tuple[Source, Definition] | None:
        """Where a name is defined, through whatever passes it on."""
        return self._find(dotted, set())

    def _find(self, dotted: str, seen: set[str]) -> tuple[Source, Definition] | None:
        if dotted in seen:
            return None
        seen.add(dotted)
        where, _, name = dotted.rpartition(".")
        source = self.files.get(where)
        if source is None:
            # `package.name.attribute`, where `name` is itself passed on by the package.
            outer, _, passed = where.rpartition(".")
            holder = self.files.get(outer)
            real = holder.names.get(passed) if holder else None
            return self._find(f"{real}.{name}", seen) if real else None
        if name in source.defined:
            return source, source.defined[name]
        if name in source.names:
            return self._find(source.names[name], seen)
        return None

    def canonical(self, dotted: str) -> str:
        """The name under which something is defined; of what is not ours, as it is imported."""
        if found := self.find(dotted):
            source, node = found
            return f"{source.dotted}.{_name(node) or dotted.rpartition('.')[2]}"
        return dotted

    def class_of(self, dotted: str) -> tuple[Source, ast.ClassDef] | None:
        """A class of ours, by name."""
        found = self.find(dotted)
        return (found[0], found[1]) if found and isinstance(found[1], ast.ClassDef) else None

    def ancestry(self, dotted: str) -> Iterator[str]:
        """The name of a class, and of all that it is made of."""
        waiting, seen = [self.canonical(dotted)], set[str]()
        while waiting:
            name = waiting.pop(0)
            if name in seen:
                continue
            seen.add(name)
            yield name
            if found := self.class_of(name):
                source, node = found
                waiting += [self.canonical(source.dotted_name(bare(base))) for base in node.bases]


def bare(node: ast.expr) -> ast.expr:
    """A type without what stands in its brackets."""
    return node.value if isinstance(node, ast.Subscript) else node


def unquoted(node: ast.expr) -> ast.expr:
    """A type that was written as text, as an expression."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            return ast.parse(node.value, mode="eval").body
        except SyntaxError:
            return node
    return node


def arguments(function: Function) -> list[ast.arg]:
    """All parameters, in order."""
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    return [*named, *(each for each in (given.vararg, given.kwarg) if each)]


def methods(node: ast.ClassDef) -> dict[str, Function]:
    """The functions in the body of a class."""
    return {each.name: each for each in node.body if isinstance(each, Function)}


def _name(node: Definition) -> str:
    return node.name if isinstance(node, ast.ClassDef | Function) else ""


def _parse(path: str, content: bytes) -> Source:
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        where = f"{path}, line {line}," if line else path
        said = getattr(error, "msg", None) or error
        raise ScaffoldError(f"{where} is no Python ({said}); mend it, and ask again") from None
    dotted = path.removeprefix(_SOURCE).removesuffix(".py").replace("/", ".")
    package = dotted.removesuffix(".__init__")
    inside = path.removeprefix(_MODULES)
    module = inside.split("/")[0] if path.startswith(_MODULES) and "/" in inside else ""
    source = Source(path, package, module, tree)
    _import(source, is_package=package != dotted)
    _define(source, tree.body)
    return source


def _import(source: Source, is_package: bool) -> None:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                first = each.name.split(".")[0]
                source.names[each.asname or first] = each.name if each.asname else first
        elif isinstance(node, ast.ImportFrom):
            start = _absolute(source.dotted, is_package, node)
            for each in node.names:
                if each.name == "*":
                    source.stars.append(start)
                else:
                    source.names[each.asname or each.name] = f"{start}.{each.name}"


def _absolute(dotted: str, is_package: bool, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = dotted.split(".")
    up = node.level - is_package
    return ".".join([*parts[: len(parts) - up], *([node.module] if node.module else [])])


def _define(source: Source, body: list[ast.stmt]) -> None:
    """Take note of what stands at the top of a file, `if` and `try` included."""
    for node in body:
        names: list[str] = []
        if isinstance(node, ast.ClassDef | Function):
            names = [node.name]
        elif isinstance(node, ast.Assign):
            names = [each.id for each in node.targets if isinstance(each, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names = [node.target.id]
        elif type(node).__name__ == "TypeAlias":  # From Python 3.12 on.
            names = [node.name.id]  # type: ignore[attr-defined]
        elif isinstance(node, ast.If | ast.Try):
            _define(source, [*node.body, *node.orelse])
        for name in names:
            source.defined[name] = node
            source.names[name] = f"{source.dotted}.{name}"
