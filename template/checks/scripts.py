"""The SQL of migrations, statement by statement, as Postgres reads it."""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any, NamedTuple

from postgast import parse, pg_query_pb2, PgQueryError, scan

_COMMENTS = {pg_query_pb2.SQL_COMMENT, pg_query_pb2.C_COMMENT}


class Statement(NamedTuple):
    """One statement, and the bytes at which it stands in the SQL."""

    begin: int
    text: str
    tree: Any
    """Of protobuf's messages; None where Postgres cannot read it."""


class Script:
    """The SQL of migrations, as Postgres reads it."""

    def __init__(self, sql: str) -> None:
        self._raw = sql.encode()
        self.statements = list(self._read(sql))

    def is_false_alarm(self, rule: str, line: int, column: int) -> bool:
        """Say whether squawk takes for work what is none: a column that is computed when it is read, a
        constraint that is not enforced."""
        statement, at = self._at(line, column)
        constraints = [*all_of(statement.tree, "Constraint")]
        if rule == "adding-field-with-default":
            return any(each.generated_kind == "v" and each.location == at for each in constraints)
        is_missing = rule == "constraint-missing-not-valid"
        return is_missing and bool(constraints) and all(e.skip_validation for e in constraints)

    def excludes(self, line: int, column: int) -> bool:
        """Say whether the statement there adds an EXCLUDE constraint."""
        found = all_of(self._at(line, column)[0].tree, "Constraint")
        return any(each.contype == pg_query_pb2.CONSTR_EXCLUSION for each in found)

    def line_of(self, statement: Statement) -> int:
        """Return the line in which a statement begins, from 0."""
        return self._raw.count(b"\n", 0, statement.begin)

    def _at(self, line: int, column: int) -> tuple[Statement, int]:
        """Return the statement there, and how many bytes into it that is."""
        before = self._raw.splitlines(keepends=True)[:line]
        at = sum(map(len, before)) + column
        statement = [each for each in self.statements if each.begin <= at][-1]
        return statement, at - statement.begin

    def _read(self, sql: str) -> Iterator[Statement]:
        try:
            tokens = [each for each in scan(sql).tokens if each.token not in _COMMENTS]
        except PgQueryError:  # A quotation mark that nothing closes.
            yield Statement(0, sql, None)
            return
        starts = [each.start for each in tokens]
        for first, last in self._parts(sql, tokens):
            number = bisect_left(starts, first)  # Of its first word, behind comments.
            if number < len(starts) and (begin := starts[number]) < last:
                text = self._raw[begin:last].decode()
                yield Statement(begin, text, _tree(text))

    def _parts(self, sql: str, tokens: list[Any]) -> Iterator[tuple[int, int]]:
        """Yield where statements begin and end; by the semicolons, where Postgres cannot read one."""
        if (tree := _tree(sql)) is not None:
            for each in tree.stmts:
                end = each.stmt_location + each.stmt_len if each.stmt_len else len(self._raw)
                yield each.stmt_location, end
            return
        begin = 0
        for token in tokens:
            if token.token == pg_query_pb2.ASCII_59:
                yield begin, token.start
                begin = token.end
        yield begin, len(self._raw)


def _tree(sql: str) -> Any:
    try:
        return parse(sql)
    except PgQueryError:
        return None


def all_of(message: Any, kind: str = "") -> Iterator[Any]:
    """Yield what stands in a tree, itself included, or only one kind of it."""
    if message is None:
        return
    if kind in ("", message.DESCRIPTOR.name):
        yield message
    for descriptor, value in message.ListFields():
        if descriptor.type == descriptor.TYPE_MESSAGE:
            for each in [value] if hasattr(value, "DESCRIPTOR") else value:
                yield from all_of(each, kind)
