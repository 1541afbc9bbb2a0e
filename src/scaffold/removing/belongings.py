"""What a module has, read from its files without importing them."""

import ast
import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field

from scaffold.contents import Contents
from scaffold.repository import MODULES


@dataclass
class Belongings:
    """What goes with a module.

    Attributes:
        files: paths, all of them in its folder.
        tables: as its code or its migrations name them, without the schema.
        jobs: by name, each with its schedule, or none.
        events: that it tells others of.
        hears: events of other modules, as `identity.CustomerRegistered`.
        routes: method and path, as they are asked.
        flags: their keys.
        objectives: whether alerts on its objectives are to go.
        extensions: of Postgres, that it asked for; they stay.
    """

    files: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    jobs: dict[str, str | None] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    hears: list[str] = field(default_factory=list)
    routes: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    objectives: bool = False
    extensions: list[str] = field(default_factory=list)


_METHODS = ("get", "post", "put", "patch", "delete")


def find(name: str, contents: Contents) -> Belongings:
    """Read what stands in the folder of a module. What is broken there is passed over."""
    folder = f"{MODULES.as_posix()}/{name}/"
    found = Belongings(files=[path for path in contents if path.startswith(folder)])
    tables: dict[str, None] = {}
    for path in found.files:
        inside, content = path.removeprefix(folder), contents[path]
        if inside == "flags.json":
            found.flags = sorted(_flags(content))
        elif inside == "module.toml":
            _read_toml(found, content)
        elif not path.endswith(".py") or "tests" in inside.split("/")[:-1]:
            continue
        elif (tree := _parsed(content)) is not None:
            if inside.startswith("migrations/"):
                _migrate(tables, tree)
            else:
                tables |= dict.fromkeys(_declared(tree))
                _read_code(found, name, tree)
    found.tables = sorted(tables)
    return found


def _parsed(content: bytes) -> ast.Module | None:
    try:
        return ast.parse(content)
    except (SyntaxError, ValueError):
        return None


def _flags(content: bytes) -> list[str]:
    try:
        flags = json.loads(content)["flags"]
    except (ValueError, KeyError, TypeError):
        return []
    return list(flags) if isinstance(flags, dict) else []


def _read_toml(found: Belongings, content: bytes) -> None:
    try:
        said = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return
    found.objectives = "slo" in said
    extensions = said.get("extensions", [])
    found.extensions = list(map(str, extensions)) if isinstance(extensions, list) else []


def _declared(tree: ast.Module) -> Iterator[str]:
    """Tables as SQLAlchemy is told of them."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(
                targets=[ast.Name(id="__tablename__")], value=ast.Constant(value=str(table))
            ):
                yield table
            case ast.Call(
                func=ast.Name(id="Table") | ast.Attribute(attr="Table"),
                args=[ast.Constant(value=str(table)), *_],
            ):
                yield table


def _migrate(tables: dict[str, None], tree: ast.Module) -> None:
    """Follow what one migration makes of the tables."""
    upgrade = (
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade"
    )
    for node in (each for function in upgrade for each in ast.walk(function)):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="create_table"), args=[ast.Constant(value=str(table)), *_]
            ):
                tables[table] = None
            case ast.Call(
                func=ast.Attribute(attr="drop_table"), args=[ast.Constant(value=str(table)), *_]
            ):
                tables.pop(table, None)
            case ast.Call(
                func=ast.Attribute(attr="rename_table"),
                args=[ast.Constant(value=str(old)), ast.Constant(value=str(table)), *_],
            ):
                tables.pop(old, None)
                tables[table] = None


def _read_code(found: Belongings, name: str, tree: ast.Module) -> None:
    imported = {
        alias.asname or alias.name: f"{node.module.removeprefix('app.modules.')}.{alias.name}"
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("app.modules.")
        for alias in node.names
        if node.module
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            if any(isinstance(base, ast.Name) and base.id == "Event" for base in node.bases):
                found.events.append(node.name)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for each in node.decorator_list:
                _read_decorator(found, name, node.name, each)
        elif isinstance(node, ast.keyword) and node.arg == "subscriptions":
            keys = node.value.keys if isinstance(node.value, ast.Dict) else []
            heard = [key.id for key in keys if isinstance(key, ast.Name)]
            found.hears += [imported[each] for each in heard if each in imported]


def _read_decorator(found: Belongings, module: str, function: str, node: ast.expr) -> None:
    match node:
        case ast.Call(func=ast.Name(id="job"), keywords=keywords):
            crons = [
                each.value.value
                for each in keywords
                if each.arg == "cron" and isinstance(each.value, ast.Constant)
            ]
            found.jobs[f"{module}.{function}"] = str(crons[0]) if crons and crons[0] else None
        case ast.Call(
            func=ast.Attribute(attr=method), args=[ast.Constant(value=str(path)), *_]
        ) if method in _METHODS and path.startswith("/"):
            found.routes.append(f"{method.upper()} /{module}{path}")
