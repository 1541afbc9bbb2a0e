"""What of a module's tables no stream carries."""

from dataclasses import dataclass

from app.platform.carving.ends import End
from app.platform.carving.facts import ARE_TABLES

_KEYLESS = f"""SELECT relname, relreplident::text AS identity, coalesce(json_agg(generated.attname)
        FILTER (WHERE generated.attname IS NOT NULL), '[]')::text <> '[]' AS has_generated,
    ARRAY(SELECT confrelid::regclass::text FROM pg_constraint
        WHERE conrelid = pg_class.oid AND contype = 'f' AND confdeltype IN ('c', 'n', 'd')) AS parents
    FROM pg_class
    LEFT JOIN pg_attribute AS generated ON generated.attrelid = pg_class.oid AND generated.attgenerated <> ''
        AND NOT generated.attisdropped
    WHERE {ARE_TABLES} AND (
            relreplident = 'n' OR relreplident = 'f'
            OR relreplident = 'd' AND NOT EXISTS (
                SELECT FROM pg_index WHERE indrelid = pg_class.oid AND indisprimary)
            OR relreplident = 'i' AND NOT EXISTS (
                SELECT FROM pg_index WHERE indrelid = pg_class.oid AND indisreplident AND indisvalid)
        )
    GROUP BY pg_class.oid ORDER BY relname"""
_GENERATED = f"""SELECT relname, string_agg(attname || CASE attgenerated WHEN 'v' THEN ' (virtual)' ELSE '' END, ', ')
    AS columns FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE {ARE_TABLES} AND attgenerated <> '' AND NOT attisdropped
    GROUP BY relname ORDER BY relname"""
_KINDS = """SELECT relname, relkind::text AS kind, relpersistence::text AS persistence, relrowsecurity AS secured
    FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident($1)) AND relname <> 'alembic_version'
        AND (relkind IN ('p', 'm', 'f') OR relkind = 'r' AND (relpersistence = 'u' OR relrowsecurity))
    ORDER BY relname"""
_LOOSE = """SELECT relname FROM pg_class WHERE relkind = 'S'
    AND relnamespace = to_regnamespace(quote_ident($1)) AND NOT EXISTS (
        SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid
            AND deptype IN ('a', 'i') AND refclassid = 'pg_class'::regclass) ORDER BY relname"""
_LEAVING = """SELECT conrelid::regclass::text AS one, confrelid::regclass::text AS other, conname
    FROM pg_constraint JOIN pg_class AS one ON one.oid = conrelid JOIN pg_class AS other ON other.oid = confrelid
    WHERE contype = 'f' AND one.relnamespace <> other.relnamespace
        AND to_regnamespace(quote_ident($1)) IN (one.relnamespace, other.relnamespace) ORDER BY conname"""
_LARGE = f"""SELECT relname, string_agg(attname, ', ') AS columns FROM pg_class
    JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
    WHERE {ARE_TABLES} AND atttypid IN ('oid'::regtype, 'lo'::text::regtype) GROUP BY relname ORDER BY relname"""
_TRIGGERS = """SELECT relname, tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
    WHERE relnamespace = to_regnamespace(quote_ident($1)) AND tgenabled IN ('A', 'R') ORDER BY 1, 2"""
_SIZES = """SELECT relname AS name, greatest(reltuples, 0)::bigint AS rows, pg_total_relation_size(oid) AS bytes
    FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident($1)) AND relkind = 'r'
        AND relname <> 'alembic_version' ORDER BY bytes DESC, relname"""


@dataclass(frozen=True)
class Finding:
    """Something that is in the way, or is to be known."""

    what: str
    cure: str
    blocks: bool = True
    """Whether nothing can be copied before it is dealt with."""
    of_way_back: bool = False
    """Whether it is the way back that it is in the way of: `cut --without-way-back` goes nevertheless."""


@dataclass(frozen=True)
class TableSize:
    """How much there is of a table, indexes included."""

    name: str
    rows: int
    bytes: int


async def look_at_tables(source: End, module: str) -> list[Finding]:
    """Return what of a module's tables would be missing, or would fail once they are published."""
    session, found = source.session, list[Finding]()
    if not await session.fetchval("SELECT to_regnamespace(quote_ident($1)) IS NOT NULL", module):
        return [Finding(f"{source.name} has no schema {module}", "`app migrate`, or another name")]
    for row in await session.fetch(_KEYLESS, module):
        found.append(
            _without_key(
                module, row["relname"], row["identity"], row["has_generated"], row["parents"]
            )
        )
    for row in await session.fetch(_GENERATED, module):
        found.append(
            Finding(
                f"{module}.{row['relname']} computes {row['columns']}",
                "nothing: they are computed on the other side, and never published",
                blocks=False,
            )
        )
    for row in await session.fetch(_KINDS, module):
        found += _kind(
            f"{module}.{row['relname']}", row["kind"], row["persistence"], row["secured"]
        )
    for row in await session.fetch(_LOOSE, module):
        found.append(
            Finding(
                f"the sequence {module}.{row['relname']} belongs to no column",
                "nothing: the cut sets it past its last value",
                blocks=False,
            )
        )
    for row in await session.fetch(_LEAVING, module):
        found.append(
            Finding(
                f"the foreign key {row['conname']} leads from {row['one']} to {row['other']}",
                "drop it in a migration: the other table will be in another database",
            )
        )
    for row in await session.fetch(
        _LARGE.replace("'lo'::text::regtype", "coalesce(to_regtype('lo'), 0::regtype)"), module
    ):
        found.append(
            Finding(
                f"{module}.{row['relname']} has columns of type oid: {row['columns']}",
                "if they name large objects, keep these as bytea: no stream carries large objects",
                blocks=False,
            )
        )
    for row in await session.fetch(_TRIGGERS, module):
        found.append(
            Finding(
                f"the trigger {row['tgname']} of {module}.{row['relname']} fires for what a stream brings",
                "let it be an ordinary one: ALTER TABLE … ENABLE TRIGGER",
            )
        )
    return found


async def sizes(source: End, module: str) -> list[TableSize]:
    """Return the tables, the largest first."""
    return [TableSize(**each) for each in await source.session.fetch(_SIZES, module)]


def _without_key(
    module: str, table: str, identity: str, has_generated: bool, parents: list[str]
) -> Finding:
    name = f"{module}.{table}"
    if identity == "f" and not has_generated:
        return Finding(
            f"{name} has REPLICA IDENTITY FULL",
            "give it a primary key: each change reads all of it",
            blocks=False,
        )
    if identity == "f":
        return Finding(
            f"{name} has REPLICA IDENTITY FULL and computed columns: its UPDATE and DELETE fail once published",
            "give it a primary key, and REPLICA IDENTITY DEFAULT",
        )
    also = f", and so would DELETE of {', '.join(parents)}, which reaches it" if parents else ""
    return Finding(
        f"{name} has no primary key: its UPDATE and DELETE would fail once it is published{also}",
        "give it a primary key, or REPLICA IDENTITY USING INDEX of a unique one",
    )


def _kind(name: str, kind: str, persistence: str, secured: bool) -> list[Finding]:
    found = []
    if persistence == "u":
        found.append(Finding(f"{name} is unlogged", "ALTER TABLE … SET LOGGED, or drop it"))
    if kind == "p":
        what = f"{name} is partitioned"
        cure = "add partitions on both sides, in a migration, while a stream runs"
        found.append(Finding(what, cure, blocks=False))
    if kind == "m":
        what, cure = f"{name} is a materialized view", "refresh it on the other side after the cut"
        found.append(Finding(what, cure, blocks=False))
    if kind == "f":
        found.append(Finding(f"{name} is a foreign table", "drop it: what it shows is elsewhere"))
    if secured:
        found.append(
            Finding(
                f"{name} has row level security",
                "see that the admins are not subject to it",
                blocks=False,
            )
        )
    return found
