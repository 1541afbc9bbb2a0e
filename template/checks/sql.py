"""Each module's SQL, held to its own schema."""

from collections.abc import Iterator

from checks.queries import Finding
from checks.source import module_names, module_of, read_sources, Source, Violation

_OF_POSTGRES = ("pg_", "information_schema", "extensions")


def check_sql() -> Iterator[Violation]:
    """Find the statements, tables and migrations that leave their module's schema."""
    for source, finding in _findings():
        refused = _refused(module_of(source.name), finding)
        if refused:
            yield Violation(source.path, finding.line, refused)


def count_unread() -> int:
    """Return how many statements could not be read."""
    return sum(finding.kind == "unread" for _, finding in _findings())


def _findings() -> Iterator[tuple[Source, Finding]]:
    for source in read_sources():
        # These switch roles, and make schemas and logins.
        if not source.name.startswith(("app.platform.", "app.development.")):
            for finding in source.queries:
                yield source, finding


def _refused(own: str | None, finding: Finding) -> str | None:
    """Return why a module (None: code outside all modules) may not do this, and what to do."""
    kind, value = finding.kind, finding.value
    if kind == "unread":
        return None
    if kind == "setting":
        return f"uses {value}, but the platform alone decides who speaks. " + (
            f"Statements here run as {own} already: name the schema in front of each table."
            if own
            else "Hand the statement to a module's Database."
        )
    if kind == "no schema":
        return own and f'{value} names no schema: it would be public. Say schema="{own}".'
    if value in module_names() - {own}:
        remedy = f"Call app.modules.{value}, or add what is missing to its interface."
    elif own and value != own and not value.startswith(_OF_POSTGRES) and kind != "mention":
        remedy = f"The tables of {own} stand in the schema {own}."
    else:
        return None
    if kind == "foreign key":
        return f"a foreign key into the schema {value}. Keep the id without the key. {remedy}"
    return f"touches the schema {value}, which does not belong to {own or 'this file'}. {remedy}"
