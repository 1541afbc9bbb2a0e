"""What goes with a module: its tables, and what of them a replication would leave behind."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from scaffold.carving.sources import Sources
from scaffold.contents import Contents, Place
from scaffold.removing.belongings import Belongings
from scaffold.repository import MODULES

_NUMBERS = frozenset({"BigInteger", "Integer", "SmallInteger"})
_SQL = {
    "a sequence": re.compile(r"\bCREATE\s+SEQUENCE|\b(BIG|SMALL)?SERIAL\b|\bAS\s+IDENTITY\b", re.I),
    "a generated column": re.compile(r"\bGENERATED\s+ALWAYS\s+AS\s*\(", re.I),
    "large objects": re.compile(r"\blo_(create|from_bytea|import|put)\b|\bOID\b"),
    "no log (UNLOGGED)": re.compile(r"\bUNLOGGED\b", re.I),
}


@dataclass
class Table:
    """A table of a module.

    Attributes:
        place: where it is made; none where only the code names it.
        lacks: what a logical replication would leave behind, or stumble over.
        keys: columns of its primary key.
        numbers: columns that a sequence fills where they are the key alone.
    """

    name: str
    place: Place | None = None
    lacks: list[str] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    numbers: set[str] = field(default_factory=set)


def tables(name: str, contents: Contents, has: Belongings) -> list[Table]:
    """A module's tables, as its migrations make them."""
    found = {each: Table(each) for each in has.tables}
    folder = f"{MODULES.as_posix()}/{name}/migrations/"
    for path, content in contents.items():
        if path.startswith(folder) and path.endswith(".py"):
            for node in ast.parse(content).body:
                if isinstance(node, ast.FunctionDef) and node.name == "upgrade":
                    _follow(found, path, node)
    for table in found.values():
        if table.place and not table.keys:
            table.lacks.insert(0, "no primary key")
        if len(table.keys) == 1 and table.keys <= table.numbers:
            _add(table, f"a sequence ({next(iter(table.keys))})")
    return [found[each] for each in sorted(found)]


def _follow(found: dict[str, Table], path: str, upgrade: ast.FunctionDef) -> None:
    for node in ast.walk(upgrade):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="create_table"),
                args=[ast.Constant(value=str(name)), *parts],
                keywords=keywords,
            ) if name in found:
                table = found[name]
                table.place = Place(path, node.lineno, name)
                for part in parts:
                    _read(table, part)
                if any("UNLOGGED" in ast.unparse(each.value) for each in keywords):
                    _add(table, "no log (UNLOGGED)")
            case ast.Call(
                func=ast.Attribute(attr="add_column"),
                args=[ast.Constant(value=str(name)), column, *_],
            ) if name in found:
                _read(found[name], column)
            case ast.Call(
                func=ast.Attribute(attr="create_primary_key"),
                args=[_, ast.Constant(value=str(name)), ast.List(elts=elements), *_],
            ) if name in found:
                found[name].keys |= set(_texts(elements))
            case ast.Call(func=ast.Attribute(attr="execute"), args=[statement, *_]):
                _read_sql(found, path, node.lineno, " ".join(_texts(ast.walk(statement))))


def _read(table: Table, node: ast.expr) -> None:
    """Read one column or constraint."""
    if not isinstance(node, ast.Call):
        return
    kind, name = _last(node.func), next(_texts(node.args), "")
    if kind == "PrimaryKeyConstraint":
        table.keys |= set(_texts(node.args))
    if kind != "Column":
        return
    said = {each.arg: each.value for each in node.keywords}
    if _is(said.get("primary_key"), True):
        table.keys.add(name)
    parts = [_last(each.func if isinstance(each, ast.Call) else each) for each in node.args[1:]]
    is_given = _is(said.get("autoincrement"), False) or "server_default" in said
    for part in parts:
        if part in _NUMBERS and not is_given and not {"ForeignKey", "Identity"} & set(parts):
            table.numbers.add(name)
        elif part in ("Identity", "Sequence"):
            _add(table, f"a sequence ({name})")
        elif part == "Computed":
            _add(table, f"a generated column ({name})")
        elif part == "OID":
            _add(table, f"large objects ({name})")


def _read_sql(found: dict[str, Table], path: str, line: int, text: str) -> None:
    """The first table of ours that SQL names is taken for it, or the module as a whole."""
    for lack, pattern in _SQL.items():
        if pattern.search(text):
            named = (each for each in found if re.search(rf"\b{re.escape(each)}\b", text))
            name = next(named, "")
            table = found.setdefault(name or "(SQL)", Table(name or "(SQL)"))
            at = f"{path.rpartition('/')[2]}:{line}"
            _add(table, f"{lack} ({at})")


def _add(table: Table, lack: str) -> None:
    if lack not in table.lacks:
        table.lacks.append(lack)


def _last(node: ast.AST) -> str:
    return getattr(node, "attr", "") or getattr(node, "id", "")


def _is(node: ast.AST | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _texts(nodes: object) -> Iterator[str]:
    assert isinstance(nodes, list | Iterator)
    for each in nodes:
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def caches(sources: Sources, name: str) -> list[str]:
    """Under what a module keeps things in the cache."""
    found = set()
    for source in sources.of_module(name):
        for node in ast.walk(source.tree):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="of"),
                    args=[ast.Constant(value=str(key)), *_],
                    keywords=keywords,
                ) if any(each.arg == "ttl" for each in keywords):
                    found.add(f"{name}:{key}")
    return sorted(found)
