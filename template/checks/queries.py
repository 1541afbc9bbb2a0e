"""The SQL in a Python file: strings, tables, foreign keys, migrations."""

import ast
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from checks.findings import Finding, Reasons
from checks.names import Names
from checks.schemas import OF_LIBRARY, Schemas
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
    "scalar": (0, "statement"),
    "scalars": (0, "statement"),
}
"""Which argument is SQL where it is a string."""
_TAKE_CLAUSES = {
    "prefix_with": slice(None),
    "suffix_with": slice(None),
    "with_hint": slice(1, 2),
    "with_statement_hint": slice(1),
}
_TAKE_OPERATORS = {"bool_op", "custom_op", "op"}
"""Methods of expressions, whose arguments stand in the SQL as they are."""
_SESSION_LOCKS = re.compile(r"pg_(try_)?advisory_lock(_shared)?")
_COMPILES = "sqlalchemy.ext.compiler.compiles"
"""Decorates what returns the SQL of a construct."""
_SQL_KEYWORDS = {"postgresql_using", "postgresql_where"}
_MAY_SPEAK: set[type[ast.AST]] = {ast.Assign, ast.Call, ast.ClassDef, ast.Dict, ast.FunctionDef}


class Constant(NamedTuple):
    """A text that a file names, and what it touches as SQL."""

    text: str
    findings: frozenset[Finding]


def read_queries(names: Names, content: bytes) -> frozenset[Finding]:
    """Find what the SQL of a file touches."""
    return frozenset(_Reader(names, content).findings())


def read_constants(names: Names) -> dict[str, Constant]:
    """Read the texts that a file names, for those who import them."""
    texts, found = Texts(names), {}
    for name, bound in names.scopes.top.bound.items():
        value = bound[0].value if len(bound) == 1 else None
        if value is not None and (text := texts.read(value)) is not None:
            found[name] = Constant(text, frozenset(_read(text, value)))
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
        self._schemas = Schemas(names, self._texts)

    def findings(self) -> Iterator[Finding]:
        for line, name in self._names.handed:
            if name.startswith(("sqlalchemy", "alembic")):
                yield from self._excused([Finding(line, "unread", name)], line, line)
        for node in self._names.nodes:
            if type(node) not in _MAY_SPEAK:
                continue
            if isinstance(node, ast.FunctionDef) and self._writes_sql(node):
                for each in ast.walk(node):
                    if isinstance(each, ast.Return) and each.value is not None:
                        found = [*self._clause(each.value, "{}")]
                        yield from self._excused(found, each.lineno, each.end_lineno or each.lineno)
            if isinstance(node, ast.Call | ast.ClassDef | ast.Dict | ast.Assign):
                found = [*self._schemas.find(node)]
                if isinstance(node, ast.Call):
                    found += self._call(node)
                yield from self._excused(found, node.lineno, node.end_lineno or node.lineno)
        for line, reason in self._reasons.unused():
            yield Finding(line, "no need" if reason else "no reason")

    def _excused(self, found: Iterable[Finding], first: int, last: int) -> Iterator[Finding]:
        for each in found:
            if each.kind.startswith(("unread", "imported")) and self._reasons.take(first, last):
                yield each._replace(kind=f"{each.kind}, excused")
            else:
                yield each

    def _writes_sql(self, function: ast.FunctionDef) -> bool:
        """Say whether SQLAlchemy puts what a function returns into statements, as it is."""
        if function.name == "get_col_spec":
            return self._schemas.speaks_sql
        decorators = (
            each.func if isinstance(each, ast.Call) else each for each in function.decorator_list
        )
        return any(self._names.full(each) == _COMPILES for each in decorators)

    def _call(self, call: ast.Call) -> Iterator[Finding]:
        call = self._names.unwrapped(call)
        full = self._names.called(call.func)
        name = full or str(getattr(call.func, "attr", ""))
        last = name.rpartition(".")[2]
        given = {keyword.arg or "": keyword.value for keyword in call.keywords}
        is_library = name.startswith(OF_LIBRARY)

        def argument(position: int, keyword: str) -> ast.expr | None:
            return call.args[position] if len(call.args) > position else given.get(keyword)

        if last in _TAKE_SQL and (sql := argument(*_TAKE_SQL[last])) is not None:
            yield from self._sql(sql, is_sure=is_library or last == "exec_driver_sql")
        elif last in _TAKE_SQL and is_library:  # text(**given)
            yield Finding(call.lineno, "unread", ast.unparse(call))
        elif last in ("ColumnClause", "column") and is_library:
            if "" in given or any(isinstance(each, ast.Starred) for each in call.args):
                yield Finding(call.lineno, "unread", ast.unparse(call))
            elif (is_literal := argument(2, "is_literal")) and not _is(is_literal, value=False):
                yield from self._sql(argument(0, "text") or call, is_sure=True)
        elif name == "type" and self._schemas.speaks_sql and argument(2, "is_literal"):
            yield from self._sql(argument(0, "text") or call, is_sure=False)
        elif last in _TAKE_CLAUSES and self._schemas.speaks_sql:
            texts = [each for key, each in given.items() if key in ("text", "")]
            for sql in [*call.args[_TAKE_CLAUSES[last]], *texts]:
                yield from self._clause(sql, "{}")
        elif last in _TAKE_OPERATORS and self._schemas.speaks_sql and "." not in name:
            if (sql := argument(0, "opstring")) is not None:
                yield from self._clause(sql, "SELECT 1 {} 2")
        elif last in _MAY_TAKE_SQL and full != "alembic.op.execute":
            if (sql := argument(*_MAY_TAKE_SQL[last])) and self._texts.read(sql) is not None:
                yield from self._sql(sql, is_sure=is_library)
        elif full == "alembic.op.execute" and (sql := argument(0, "sqltext")) is not None:
            if not self._texts.is_an_object(sql):
                yield from self._sql(sql, is_sure=True)
        elif ".func." in name and is_library:
            yield from self._function(call, name.partition(".func.")[2])
        for keyword in _SQL_KEYWORDS & given.keys():
            if self._texts.read(given[keyword]) is not None:
                yield from self._sql(given[keyword], is_sure=False)
        if any((self._names.full(each) or "").endswith(".REGCLASS") for each in call.args):
            for each in ast.walk(call):
                if isinstance(each, ast.Constant) and isinstance(each.value, str):
                    yield from _read(f"SELECT '{each.value}'::regclass", each, is_sure=False)

    def _function(self, call: ast.Call, name: str) -> Iterator[Finding]:
        """Read `func.billing.fee(…)` as `billing.fee(…)`."""
        texts = [self._texts.read(each) for each in call.args]
        last = name.lower().rpartition(".")[2]
        if "." in name or last == "set_config" or _SESSION_LOCKS.fullmatch(last) or any(texts):
            arguments = (self._argument(*each) for each in zip(call.args, texts, strict=True))
            yield from _read(f"SELECT {name}({', '.join(arguments)})", call, is_sure=False)

    def _argument(self, node: ast.expr, text: str | None) -> str:
        if _is(node, value=True) or (
            isinstance(node, ast.Call) and self._names.full(node.func) == "sqlalchemy.true"
        ):
            return "true"
        return "$1" if text is None or HOLE in text else "'{}'".format(text.replace("'", "''"))

    def _clause(self, node: ast.expr, frame: str) -> Iterator[Finding]:
        """Read what stands inside a statement; what cannot be read may be an expression."""
        text = self._texts.read(node)
        if text is not None and HOLE not in text:
            yield from _read(frame.replace("{}", text), node, is_sure=frame != "{}")
        elif text is not None or not self._texts.is_an_object(node):
            yield from self._sql(node, is_sure=True)

    def _sql(self, node: ast.expr, *, is_sure: bool) -> Iterator[Finding]:
        texts = [*self._texts.read_each(node)]
        for text in texts:
            if text is not None:
                yield from _read(text, node, is_sure=is_sure)
        if None in texts and is_sure:
            full = self._names.full(node)
            is_own = full is not None and full.startswith("app.modules.")
            yield (
                Finding(node.lineno, "imported", full or "")
                if is_own
                else Finding(node.lineno, "unread", ast.unparse(node))
            )


def _is(node: ast.expr, *, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value
