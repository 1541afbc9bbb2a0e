"""Each module's SQL, held to its own schema.

The roles hold a module to it as well. Both are there against mistakes: SQL that an attacker smuggles
into a statement can switch the role. So what cannot be read here is refused, unless a comment in the
statement says why it may be: `# sql: the names come from our own list`. It is then left to the roles.
"""

from collections.abc import Iterable, Iterator

from checks.findings import Finding
from checks.source import BELOW_MODULES, module_names, module_of, read_sources, Source, Violation

_OF_POSTGRES = ("pg_", "information_schema")
_EXTENSIONS = "extensions"
"""The schema where extensions stand; they are everybody's."""
_NOT_FOR_MODULES = {
    "beyond": (
        "which concerns the whole database. That is for `app migrate` to do, or for an admin, once: "
        "docs/postgres.md."
    ),
    "grant": (
        "but what stands in the schema {own} is for {own} alone. Let others call a method of its "
        "interface."
    ),
    "session": (
        "which lasts beyond the transaction, for whoever gets the connection next. Use SET LOCAL, or "
        "do without."
    ),
    "transaction": (
        "but whoever opened the transaction ends it. Raise an exception to undo it; use "
        "`tx.savepoint()` for a part, and `autocommit_block()` in a migration."
    ),
}


def check_sql() -> Iterator[Violation]:
    """Find the statements, tables and migrations that leave their module's schema."""
    sources = {source.name: source for source in read_sources()}
    for source in sources.values():
        if not source.name.startswith(BELOW_MODULES):
            for finding in source.queries:
                for each in _resolved(finding, sources):
                    if refused := why_refused(module_of(source.name), each):
                        yield Violation(source.path, finding.line, refused)


def _resolved(finding: Finding, sources: dict[str, Source]) -> Iterable[Finding]:
    """Put for a text that is imported what is in it; leave out what is unread for a reason."""
    kind, _, is_excused = finding.kind.partition(", ")
    if kind.startswith("imported"):
        file, _, name = finding.value.rpartition(".")
        constant = sources[file].constants.get(name) if file in sources else None
        if constant is None:
            return [] if is_excused else [finding._replace(kind="unread")]
        if kind == "imported schema":
            return [finding._replace(kind="schema", value=constant.text)]
        return [each for each in constant.findings if not is_excused or each.kind != "unread"]
    return [] if is_excused else [finding]


def why_refused(own: str | None, finding: Finding) -> str | None:
    """Return why a module (None: code outside all modules) may not do this, and what to do."""
    kind, value = finding.kind, finding.value
    if kind == "unread":
        said = value if len(value) <= 60 else f"{value[:59]}…"
        return (
            f"holds SQL that cannot be read: {said}. Write it as one string, its values as "
            "parameters, or say in this statement why it may stay: # sql: REASON"
        )
    if kind == "no need":
        return "says why SQL may stay unread, but all of it was read here. Take the comment out."
    if kind == "no reason":
        return "gives no reason behind `# sql:`. Write one."
    if kind in ("setting", "speaker"):
        return f"uses {value}, but the platform alone decides who speaks. " + (
            f"Statements here run as {own} already: name the schema in front of each table."
            if own
            else "Hand the statement to a module's Database."
        )
    if kind in _NOT_FOR_MODULES:
        return own and f"uses {value}, {_NOT_FOR_MODULES[kind].format(own=own)}"
    if kind == "no schema":
        return own and f'{value} names no schema: it would be public. Say schema="{own}".'
    if value in module_names() - {own}:
        remedy = f"Call app.modules.{value}, or add what is missing to its interface."
    elif own and kind != "mention" and not _is_everybodys(value, own):
        remedy = f"The tables of {own} stand in the schema {own}."
    else:
        return None
    if kind == "foreign key":
        return f"a foreign key into the schema {value}. Keep the id without the key. {remedy}"
    return f"touches the schema {value}, which does not belong to {own or 'this file'}. {remedy}"


def _is_everybodys(schema: str, own: str) -> bool:
    return schema in (own, _EXTENSIONS) or schema.startswith(_OF_POSTGRES)
