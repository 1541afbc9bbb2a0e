"""What is told of a statement."""

import pytest
from opentelemetry.trace import SpanKind

from app.platform.database import statement_spans as trace_statements
from app.platform.database.statement_spans import begin_statement
from app.platform.telemetry.context import place
from app.platform.telemetry.traces import begin_trace, tracing


@pytest.mark.parametrize(
    ("statement", "name", "told"),
    [
        ("SELECT a FROM b.c WHERE d = $1", "SELECT b.c", "SELECT a FROM b.c WHERE d = $1"),
        ('UPDATE "b"."c" SET d = 1.5', "UPDATE b.c", 'UPDATE "b"."c" SET d = …'),
        (
            "select a from c where d = 'O''Hara' -- x",
            "SELECT c",
            "select a from c where d = '…'",
        ),
        (
            "INSERT INTO b.c1 VALUES ($$it's$$, $2)",
            "INSERT b.c1",
            "INSERT INTO b.c1 VALUES ('…', $2)",
        ),
        ("COMMIT;", "COMMIT", "COMMIT;"),
        (r"SELECT E'it\'s secret 12' FROM c", "SELECT c", "SELECT '…' FROM c"),
        ("/* by ada */ SELECT a\nFROM c", "SELECT c", "SELECT a FROM c"),
        ("(SELECT a FROM c)", "SELECT c", "(SELECT a FROM c)"),
        ("", "SQL", ""),
    ],
)
def test_a_statement_is_told_without_values(statement: str, name: str, told: str) -> None:
    with tracing.on(lambda _span, _ended: None, 1):
        begin_trace(None, "all", SpanKind.SERVER, {})
        begun = begin_statement(statement, "shop", "app__billing")
        place.set(None)
    assert begun
    assert (begun.name, begun.attributes["db.query.text"]) == (name, told)
    assert begun.attributes["db.namespace"] == "shop|billing"


def test_a_long_statement_is_told_and_not_remembered() -> None:
    trace_statements._remembered.cache_clear()
    with tracing.on(lambda _span, _ended: None, 1):
        begin_trace(None, "all", SpanKind.SERVER, {})
        begun = begin_statement(f"SELECT {', '.join('a' * 3000)} FROM c", "shop", None)
        begin_statement("SELECT a", "shop", None)
        place.set(None)
    assert begun
    assert begun.name == "SELECT c"
    assert trace_statements._remembered.cache_info().currsize == 1
