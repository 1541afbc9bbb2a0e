"""The SQL in a Python file: strings, tables, foreign keys, migrations."""

import ast
from collections.abc import Iterator
from typing import NamedTuple

from checks.names import Names

HOLE = "value_of_an_f_string"
_TAKE_SQL = {"text", "exec_driver_sql", "DDL", "literal_column"}
_MAY_TAKE_SQL = {"execute", "executemany", "fetch", "fetchrow", "fetchval", "scalar", "scalars"}
_SCHEMAS = {"schema", "source_schema", "referent_schema", "table_schema"}
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


class Finding(NamedTuple):
    """Something about SQL, and where it stands."""

    line: int
    kind: str
    """`schema`, `mention`, `setting`, `foreign key`, `no schema`, or `unread`."""
    value: str = ""


def read_queries(names: Names) -> frozenset[Finding]:
    """Find what the SQL of a file touches."""
    return frozenset(_Reader(names).findings())


class _Reader:
    def __init__(self, names: Names) -> None:
        self._names = names
        self._constants = {
            target.id: node.value
            for node in names.tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }

    def findings(self) -> Iterator[Finding]:
        for node in self._names.nodes:
            if isinstance(node, ast.Call):
                yield from self._call(node)
            elif isinstance(node, ast.ClassDef):
                yield from self._class(node)

    def _call(self, call: ast.Call) -> Iterator[Finding]:
        name = self._names.full(call.func) or str(getattr(call.func, "attr", ""))
        last = name.rpartition(".")[2]
        given = {keyword.arg or "": keyword.value for keyword in call.keywords}
        needed = _schemas_needed(name)
        for each in call.args[:1]:
            if (
                last in _TAKE_SQL
                or name == "alembic.op.execute"
                or (last in _MAY_TAKE_SQL and self._text(each) is not None)
            ):
                yield from self._sql(each)
            elif last == "ForeignKey":
                yield from self._foreign_key(each)
        for each in call.args[1:2]:
            if last == "ForeignKeyConstraint" and isinstance(each, ast.List | ast.Tuple):
                for column in each.elts:
                    yield from self._foreign_key(column)
        for keyword in _SCHEMAS & given.keys() | needed:
            yield from self._schema(given.get(keyword), call, name, keyword in needed)
        if "schema_translate_map" in given:
            yield Finding(call.lineno, "setting", "schema_translate_map")

    def _class(self, node: ast.ClassDef) -> Iterator[Finding]:
        assigned = {
            target.id: each.value
            for each in node.body
            if isinstance(each, ast.Assign | ast.AnnAssign)
            for target in (each.targets if isinstance(each, ast.Assign) else [each.target])
            if isinstance(target, ast.Name)
        }
        bases = {self._names.full(base) for base in node.bases}
        if "sqlalchemy.orm.DeclarativeBase" in bases and "metadata" not in assigned:
            yield Finding(node.lineno, "no schema", f"class {node.name}")
        for each in ast.walk(assigned.get("__table_args__") or ast.Pass()):
            if isinstance(each, ast.Dict):
                for key, value in zip(each.keys, each.values, strict=True):
                    if key is not None and self._text(key) == "schema":
                        yield from self._schema(value, value, node.name, False)

    def _sql(self, node: ast.expr) -> Iterator[Finding]:
        # sqlglot is slow to import, and mostly not needed: files that did not change were read.
        from checks.statements import read_statement, UnreadableError

        text = self._text(node)
        if text is None or HOLE in text:
            yield Finding(node.lineno, "unread", ast.unparse(node))
        try:
            statement = read_statement(text or "")
        except UnreadableError:
            yield Finding(node.lineno, "unread", ast.unparse(node))
            return
        for kind, names in statement._asdict().items():
            for name in names:
                if HOLE not in name:
                    yield Finding(node.lineno, kind, name)

    def _schema(
        self, value: ast.expr | None, at: ast.expr, name: str, needed: bool
    ) -> Iterator[Finding]:
        if value is None or (isinstance(value, ast.Constant) and value.value is None):
            if needed:
                yield Finding(at.lineno, "no schema", name)
        elif (schema := self._text(value)) is not None and HOLE not in schema:
            yield Finding(value.lineno, "schema", schema)
        elif needed:
            yield Finding(value.lineno, "unread", ast.unparse(value))

    def _foreign_key(self, node: ast.expr) -> Iterator[Finding]:
        parts = (self._text(node) or "").split(".")
        if len(parts) > 2:  # schema.table.column
            yield Finding(node.lineno, "foreign key", parts[-3])

    def _text(self, node: ast.expr) -> str | None:
        """Return a string as far as it can be read, with HOLE for what cannot."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.JoinedStr):
            return "".join(self._text(each) or HOLE for each in node.values)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self._text(node.left), self._text(node.right)
            return None if left is right is None else (left or HOLE) + (right or HOLE)
        if isinstance(node, ast.Name) and node.id in self._constants:
            return self._text(self._constants[node.id])
        return None


def _schemas_needed(name: str) -> set[str]:
    """Return the keywords without which a call would reach into another schema."""
    origin, _, last = name.rpartition(".")
    if origin == "alembic.op" and last not in _OPERATIONS_WITHOUT_SCHEMA:
        return {"source_schema", "referent_schema"} if last == "create_foreign_key" else {"schema"}
    return {"schema"} if origin.startswith("sqlalchemy") and last == "MetaData" else set()
