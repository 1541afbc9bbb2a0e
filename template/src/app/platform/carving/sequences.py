"""Sequences and identities, which no stream carries: on the other side they go on past what was given here."""

import asyncpg

from app.platform.carving.ends import End

_SEQUENCES = """SELECT quote_ident(relname) AS name, seqincrement > 0 AS rises, seqmin, seqmax, quote_ident(owner) AS owner, column_name
    FROM pg_class JOIN pg_sequence ON seqrelid = pg_class.oid
    LEFT JOIN LATERAL (
        SELECT relname AS owner, quote_ident(attname) AS column_name
        FROM pg_depend JOIN pg_class AS owned ON owned.oid = refobjid
            JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
        WHERE pg_depend.objid = pg_class.oid AND pg_depend.classid = 'pg_class'::regclass
            AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i')
            AND EXISTS (SELECT FROM pg_index WHERE indrelid = refobjid AND indkey[0] = refobjsubid
                AND indpred IS NULL)
    ) AS owners ON true
    WHERE relnamespace = to_regnamespace(quote_ident($1)) ORDER BY relname"""
"""Whose column has an index, so that its maximum is found at once."""


async def carry_sequences(source: End, target: End, module: str) -> int:
    """Set each sequence of the target past what the source gave; return how many there are."""
    found = await target.session.fetch(_SEQUENCES, module)
    if not found:
        return 0
    values = await source.session.fetch(
        " UNION ALL ".join(
            f"SELECT {_literal(each['name'])} AS name, last_value, is_called "
            f'FROM "{module}".{each["name"]}'
            for each in found
        )
    )
    by_name = {each["name"]: each for each in found}
    await target.session.execute(
        ";".join(_set(module, by_name[each["name"]], each) for each in values)
    )
    return len(found)


def _set(module: str, sequence: asyncpg.Record, value: asyncpg.Record) -> str:
    name = _literal(f'"{module}".{sequence["name"]}')
    last, called = value["last_value"], str(value["is_called"]).lower()
    if sequence["owner"] is None:
        return f"SELECT setval({name}, {last}, {called})"
    most, further = ("max", "greatest") if sequence["rises"] else ("min", "least")
    column, table = sequence["column_name"], f'"{module}".{sequence["owner"]}'
    beyond = ">" if sequence["rises"] else "<"
    bound = "least" if sequence["rises"] else "greatest"
    used = f"{bound}({most}({column}), {sequence['seqmax' if sequence['rises'] else 'seqmin']})"
    return (
        f"SELECT setval({name}, {further}({last}, used), {called} OR coalesce(used {beyond}= {last}, false)) "
        f"FROM (SELECT {used} AS used FROM {table}) AS rows"
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
