"""What a module has, by which words that belong to it are told from words that merely look so."""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from scaffold.errors import ScaffoldError
from scaffold.names import class_name

METHODS = {"delete", "get", "head", "options", "patch", "post", "put"}
"""Of a router: what decorates a route."""
_MAKE_TABLES = {"Table", "create_table", "rename_table"}
_IN_SQL = r'\b(?:TABLE|VIEW|SEQUENCE|TYPE|DOMAIN|FUNCTION|PROCEDURE|INDEX)\s[^;"\']*?\b{}\.(\w+)'
_ENDS = "Service|Interface|Protocol|Api|API|Client|Impl|Implementation|Stub|Double|Mock|Proxy"


@dataclass
class Facts:
    """A module, as its own files describe it.

    Attributes:
        old: its name.
        new: what it will be called.
        tables: and whatever else stands in its schema.
        members: of its name, behind a dot: tables, jobs, handlers, methods, flags.
        methods: of its interface.
        routes: method and path of each, below the module's own.
        classes: the new names of its interface and implementation, by dotted name; the same where
            they are not called after the module.
    """

    old: str
    new: str
    tables: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)
    methods: set[str] = field(default_factory=set)
    routes: list[tuple[str, str]] = field(default_factory=list)
    classes: dict[str, str] = field(default_factory=dict)
    of_tests: list[str] = field(default_factory=list)
    """Packages of tests outside its folder that are called after it."""

    @property
    def package(self) -> str:
        """Its dotted name."""
        return f"app.modules.{self.old}"

    @property
    def packages(self) -> list[list[str]]:
        """All packages of its name, in words."""
        return [each.split(".") for each in (self.package, *self.of_tests)]

    def renamed_class(self, name: str) -> str:
        """A class's name, if it is called after the module: `FakeBilling` → `FakeInvoicing`."""
        found = re.fullmatch(rf"(|\w*[a-z0-9]){class_name(self.old)}({_ENDS})?", name)
        return f"{found[1]}{class_name(self.new)}{found[2] or ''}" if found else name


def read(old: str, new: str, files: Mapping[str, bytes]) -> Facts:
    """Read a module's files, by path below its folder.

    Raises:
        ScaffoldError: where one is no Python, or the interface cannot be found.
    """
    facts = Facts(old, new)
    for path, content in files.items():
        if path == "flags.json":
            facts.members |= set(_flags(path, content))
        if not path.endswith(".py") or PurePosixPath(path).parts[0] == "tests":
            continue
        try:
            tree = ast.parse(content)
        except (SyntaxError, ValueError) as error:
            raise ScaffoldError(f"{path} of {old} is no Python ({error}); mend it") from None
        facts.members |= {
            node.name
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        for node in ast.walk(tree):
            facts.tables |= set(_tables(node, old))
            facts.routes += _routes(node)
        if path == "wiring.py":
            _classes(facts, tree)
    interface = next(iter(facts.classes), "").rpartition(".")[2]
    for node in ast.walk(ast.parse(files.get("__init__.py", b""))):
        if isinstance(node, ast.ClassDef) and node.name == interface:
            facts.methods = {x.name for x in node.body if hasattr(x, "name")}
    facts.members |= facts.tables | facts.methods
    facts.routes = sorted(set(facts.routes), key=lambda route: (route[1], route[0]))
    return facts


def _flags(path: str, content: bytes) -> list[str]:
    try:
        said = json.loads(content)
    except ValueError:
        return []  # `make flags` says so.
    flags = said.get("flags") if isinstance(said, dict) else None
    return list(flags) if isinstance(flags, dict) else []


def _tables(node: ast.AST, old: str) -> Iterator[str]:
    match node:
        case ast.Assign(targets=[ast.Name(id="__tablename__")], value=ast.Constant(value=str(it))):
            yield it
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            if name in _MAKE_TABLES:
                for given in node.args[:2]:
                    if isinstance(given, ast.Constant) and isinstance(given.value, str):
                        yield given.value
        case ast.Constant(value=str(text)) if f"{old}." in text:
            yield from re.findall(_IN_SQL.format(re.escape(old)), text, re.IGNORECASE)


def _routes(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Decorators such as `@router.get("/accounts")`."""
    match node:
        case ast.Call(
            func=ast.Attribute(attr=method), args=[ast.Constant(value=str(path)), *_]
        ) if method in METHODS and (path.startswith("/") or not path):
            yield method.upper(), path


def _classes(facts: Facts, wiring: ast.Module) -> None:
    """The interface that `build` returns, and the class that it makes, by where they come from."""
    origins = {
        alias.asname or alias.name: _origin(facts, node) + f".{alias.name}"
        for node in ast.walk(wiring)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    build = next(
        (x for x in wiring.body if isinstance(x, ast.FunctionDef) and x.name == "build"), None
    )
    if build is None:
        return
    returned = build.returns
    if isinstance(returned, ast.Constant) and isinstance(returned.value, str):
        returned = ast.parse(returned.value, mode="eval").body
    made = [
        node.value.func
        for node in ast.walk(build)
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Call)
    ]
    for each in (returned, *made):
        if isinstance(each, ast.Name):
            full = origins.get(each.id, f"{facts.package}.wiring.{each.id}")
            facts.classes[full] = facts.renamed_class(full.rpartition(".")[2])


def _origin(facts: Facts, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    above = facts.package.split(".")
    above = above[: len(above) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])
