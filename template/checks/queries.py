"""The SQL in a Python file: strings, tables, foreign keys, migrations."""

import ast
from collections.abc import Iterator
from typing import NamedTuple

from checks.names import Names
from checks.reasons import Reasons
from checks.texts import HOLE, Texts

_TAKE_SQL = {
    "DDL": (0, "statement"),
    "TextClause": (0, "text"),
    "exec_driver_sql": (0, "statement"),
    "literal_column": (0, "text"),
    "text": (0, "text"),
    "tstring": (0, "template"),
}
"""Which argument is SQL, and nothing but SQL."""
_MAY_TAKE_SQL = {
    "CheckConstraint": (0, "sqltext"),
    "Computed": (0, "sqltext"),
    "create_check_constraint": (2, "condition"),
    "execute": (0, "statement"),
    "executemany": (0, "command"),
    "fetch": (0, "query"),
    "fetchrow": (0, "query"),
    "fetchval": (0, "query"),
    "prefix_with": (0, ""),
    "scalar": (0, "statement"),
    "scalars": (0, "statement"),
    "suffix_with": (0, ""),
    "with_statement_hint": (0, "text"),
}
"""Which argument is SQL where it is a string."""
_SQL_KEYWORDS = {"postgresql_using", "postgresql_where"}
_SCHEMAS = {
    "packagenames",
    "referent_schema",
    "schema",
    "schema_name",
    "source_schema",
    "table_schema",
}
_POSITION_OF_SCHEMA = {"MetaData": 0, "Sequence": 8}
_OPERATIONS_WITHOUT_SCHEMA = {
    "bulk_insert",
    "execute",
    "f",
    "get_bind",
    "get_context",
    "inline_literal",
    "invoke",
    "run_async",
}
_BASES = {"sqlalchemy.orm.DeclarativeBase", "sqlalchemy.orm.DeclarativeBaseNoMeta"}
_NEED_METADATA = {"declarative_base", "registry"}
_OF_LIBRARY = ("sqlalchemy.", "alembic.")


class Finding(NamedTuple):
    """Something about SQL, and where it stands."""

    line: int
    kind: str
    """As `read_statement` has them, and `foreign key`, `no schema`, `setting`, `imported` (a text that
    another file holds), `excused` (unread, for a reason), `no reason`, `no need` (of a reason)."""
    value: str = ""


def read_queries(names: Names, content: bytes) -> frozenset[Finding]:
    """Find what the SQL of a file touches."""
    return frozenset(_Reader(names, content).findings())


def read_constants(names: Names) -> dict[str, frozenset[Finding]]:
    """Read the texts that a file names, for those who import them."""
    texts, found = Texts(names), {}
    for name, bound in names.scopes.top.bound.items():
        value = bound[0].value if len(bound) == 1 else None
        if value is not None and (text := texts.read(value)) is not None:
            found[name] = frozenset(_read(text, value))
    return found


def _read(text: str, at: ast.expr, *, is_sure: bool = True) -> Iterator[Finding]:
    """Find what a text touches. What cannot be read counts, unless it may not be SQL at all."""
    # The parser takes a moment to import, mostly for nothing: files that did not change were read.
    from checks.statements import read_statement, UnreadableError

    try:
        statement = read_statement(text)
    except UnreadableError:
        if is_sure:
            yield Finding(at.lineno, "unread", ast.unparse(at))
        return
    if HOLE in text:
        yield Finding(at.lineno, "unread", ast.unparse(at))
    for kind, names in statement.items():
        for name in names:
            if HOLE not in name:
                yield Finding(at.lineno, kind, name if kind != "unread" else ast.unparse(at))


class _Reader:
    def __init__(self, names: Names, content: bytes) -> None:
        self._names = names
        self._texts = Texts(names)
        self._reasons = Reasons(names, content)
        imported = {each.name.partition(".")[0] for each in names.imports}
        self._speaks_sql = not imported.isdisjoint({"alembic", "sqlalchemy"})
        self._strict_dicts: set[int] = set()

    def findings(self) -> Iterator[Finding]:
        for line, name in self._names.handed:
            if name.startswith(("sqlalchemy", "alembic")):
                yield from self._excused([Finding(line, "unread", name)], line, line)
        for node in self._names.nodes:
            if isinstance(node, ast.Call):
                found = self._call(node)
            elif isinstance(node, ast.ClassDef):
                found = self._class(node)
            elif isinstance(node, ast.Dict):
                found = self._dict(node)
            elif isinstance(node, ast.Assign):
                found = self._assigned(node)
            else:
                continue
            yield from self._excused(found, node.lineno, node.end_lineno or node.lineno)
        for line, reason in self._reasons.unused():
            yield Finding(line, "no need" if reason else "no reason")

    def _excused(
        self, found: Iterator[Finding] | list[Finding], first: int, last: int
    ) -> Iterator[Finding]:
        for each in found:
            if each.kind in ("unread", "imported") and self._reasons.take(first, last):
                yield each._replace(kind=f"{each.kind}, excused")
            else:
                yield each

    def _call(self, call: ast.Call) -> Iterator[Finding]:
        full = self._names.full(call.func)
        name = full or str(getattr(call.func, "attr", ""))
        last = name.rpartition(".")[2]
        given = {keyword.arg or "": keyword.value for keyword in call.keywords}
        is_library = name.startswith(_OF_LIBRARY)

        def argument(position: int, keyword: str) -> ast.expr | None:
            return call.args[position] if len(call.args) > position else given.get(keyword)

        if last in _TAKE_SQL and (sql := argument(*_TAKE_SQL[last])) is not None:
            yield from self._sql(sql, is_sure=is_library or last == "exec_driver_sql")
        elif last in _MAY_TAKE_SQL and full != "alembic.op.execute":
            if (sql := argument(*_MAY_TAKE_SQL[last])) and self._texts.read(sql) is not None:
                yield from self._sql(sql, is_sure=is_library)
        elif full == "alembic.op.execute" and (sql := argument(0, "sqltext")) is not None:
            if not self._texts.is_an_object(sql):
                yield from self._sql(sql, is_sure=True)
        elif last == "ForeignKey" and (column := argument(0, "column")) is not None:
            yield from self._foreign_key(column)
        elif last == "ForeignKeyConstraint":
            columns = argument(1, "refcolumns")
            for column in columns.elts if isinstance(columns, ast.List | ast.Tuple) else []:
                yield from self._foreign_key(column)
        elif ".func." in name and is_library:
            yield from self._function(call, name.partition(".func.")[2])
        elif name == "setattr" or (isinstance(call.func, ast.Name) and call.func.id == "setattr"):
            match call.args:
                case [_, ast.Constant(value="schema"), value]:
                    yield from self._schema(value, call, "", is_sure=False)
        for keyword in _SQL_KEYWORDS & given.keys():
            if self._texts.read(given[keyword]) is not None:
                yield from self._sql(given[keyword], is_sure=False)
        yield from self._schemas(call, name, given)
        yield from self._library(call, name, given)

    def _schemas(self, call: ast.Call, name: str, given: dict[str, ast.expr]) -> Iterator[Finding]:
        last = name.rpartition(".")[2]
        needed, is_library = _schemas_needed(name), name.startswith(_OF_LIBRARY)
        position = _POSITION_OF_SCHEMA.get(last, -1) if is_library else -1
        if 0 <= position < len(call.args):
            given = {**given, "schema": call.args[position]}
        for keyword in _SCHEMAS & given.keys() | needed:
            values = given.get(keyword)
            several = values.elts if isinstance(values, ast.List | ast.Tuple) else [values]
            for value in several:
                if value is None or (isinstance(value, ast.Constant) and value.value is None):
                    if keyword in needed:
                        yield Finding(call.lineno, "no schema", name)
                else:
                    yield from self._schema(value, call, name, is_sure=is_library)

    def _library(self, call: ast.Call, name: str, given: dict[str, ast.expr]) -> Iterator[Finding]:
        """Find what takes tables from elsewhere: the database, a string, another schema."""
        last = name.rpartition(".")[2]
        if "schema_translate_map" in given:
            yield Finding(call.lineno, "setting", "schema_translate_map")
        if "autoload_with" in given or (last == "reflect" and self._speaks_sql):
            yield Finding(call.lineno, "unread", ast.unparse(call))
        if (
            name.startswith("sqlalchemy.orm.")
            and last in _NEED_METADATA
            and not given.keys() & {"metadata"}
        ):
            yield Finding(call.lineno, "no schema", last)
        if any((self._names.full(each) or "").endswith(".REGCLASS") for each in call.args):
            for each in ast.walk(call):
                if isinstance(each, ast.Constant) and isinstance(each.value, str):
                    yield from _read(f"SELECT '{each.value}'::regclass", each, is_sure=False)

    def _function(self, call: ast.Call, name: str) -> Iterator[Finding]:
        """Read `func.billing.fee(…)` as `billing.fee(…)`."""
        texts = [self._texts.read(each) for each in call.args]
        if "." in name or name == "set_config" or any(texts):
            arguments = (
                "$1" if text is None or HOLE in text else "'{}'".format(text.replace("'", "''"))
                for text in texts
            )
            yield from _read(f"SELECT {name}({', '.join(arguments)})", call, is_sure=False)

    def _class(self, node: ast.ClassDef) -> Iterator[Finding]:
        assigned = {
            target.id: each.value
            for each in node.body
            if isinstance(each, ast.Assign | ast.AnnAssign)
            for target in (each.targets if isinstance(each, ast.Assign) else [each.target])
            if isinstance(target, ast.Name)
        }
        if _BASES & {self._names.full(base) for base in node.bases} and "metadata" not in assigned:
            yield Finding(node.lineno, "no schema", f"class {node.name}")
        options: list[ast.AST] = [assigned.get("__table_args__") or ast.Pass()]
        options += [each for each in node.body if getattr(each, "name", "") == "__table_args__"]
        for each in options:
            self._strict_dicts |= {id(part) for part in ast.walk(each)}

    def _dict(self, node: ast.Dict) -> Iterator[Finding]:
        is_sure = id(node) in self._strict_dicts
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None and self._texts.read(key) == "schema":
                yield from self._schema(value, value, "__table_args__", is_sure=is_sure)

    def _assigned(self, node: ast.Assign) -> Iterator[Finding]:
        if any(isinstance(each, ast.Attribute) and each.attr == "schema" for each in node.targets):
            yield from self._schema(node.value, node.value, "", is_sure=False)

    def _sql(self, node: ast.expr, *, is_sure: bool) -> Iterator[Finding]:
        text = self._texts.read(node)
        if text is not None:
            yield from _read(text, node, is_sure=is_sure)
        elif is_sure:
            full = self._names.full(node)
            is_own = full is not None and full.startswith("app.modules.")
            yield (
                Finding(node.lineno, "imported", full or "")
                if is_own
                else Finding(node.lineno, "unread", ast.unparse(node))
            )

    def _schema(
        self, value: ast.expr, at: ast.expr, name: str, *, is_sure: bool
    ) -> Iterator[Finding]:
        schema = self._texts.read(value)
        if schema is not None and HOLE not in schema:
            if is_sure or self._speaks_sql:
                yield Finding(value.lineno, "schema" if is_sure else "mention", schema)
        elif is_sure:
            yield Finding(value.lineno, "unread", f"{name}(schema={ast.unparse(value)})")

    def _foreign_key(self, node: ast.expr) -> Iterator[Finding]:
        text = self._texts.read(node) or ""
        parts = text.split(".")
        if HOLE in text:
            yield Finding(node.lineno, "unread", ast.unparse(node))
        elif len(parts) > 2:  # schema.table.column
            yield Finding(node.lineno, "foreign key", parts[-3])


def _schemas_needed(name: str) -> set[str]:
    """Return the keywords without which a call would reach into another schema."""
    origin, _, last = name.rpartition(".")
    if origin == "alembic.op" and last not in _OPERATIONS_WITHOUT_SCHEMA:
        return {"source_schema", "referent_schema"} if last == "create_foreign_key" else {"schema"}
    return {"schema"} if origin.startswith("sqlalchemy") and last == "MetaData" else set()
