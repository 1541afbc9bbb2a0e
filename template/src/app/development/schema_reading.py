"""What stands in a schema, in the words of Postgres, which are the same whoever made it.

Postgres writes `price >= 0` and `(price >= (0)::numeric)` alike, so two schemas agree where these words
do. Not read is what `tables.py` does not speak of: triggers, functions, views, policies, grants,
extended statistics, partitions, composite and range types, the order of columns.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, text

NOT_VALID = " NOT VALID"
"""What follows a constraint to which only new rows are held."""


@dataclass(frozen=True)
class Thing:
    """Something with a name in a schema."""

    kind: str
    parent: str
    """The table that it belongs to, or the domain; nothing for what stands by itself."""
    name: str
    definition: str
    """As the statement that makes it has it."""
    comment: str | None = None
    labels: tuple[str, ...] = ()
    """The values of an enum, in order."""


@dataclass(frozen=True)
class Column(Thing):
    """A column, and the parts of it that can be changed by themselves."""

    type: str = ""
    required: str = ""
    fallback: str = ""
    """Its DEFAULT."""
    origin: str = ""
    """What makes its values: an expression, an identity, or `serial`."""

    @property
    def is_generated(self) -> bool:
        """Whether its values follow from other columns."""
        return self.origin.startswith("GENERATED ALWAYS AS (")

    @property
    def is_stored(self) -> bool:
        """Whether it is generated, and keeps its values: they can stay without the expression."""
        return self.is_generated and self.origin.endswith(" STORED")


Key = tuple[str, str, str]
Schema = dict[Key, Thing]
"""What stands in a schema, by kind, parent and name."""


def read_schema(connection: Connection, schema: str) -> Schema:
    """Read what stands in a schema. All names in definitions are qualified."""
    about = {"schema": f'"{schema}"'}
    connection.execute(text("SET LOCAL search_path = ''"))
    found: list[Thing] = []
    for query in _THINGS:
        rows = connection.execute(text(query), about).mappings()
        found += (Thing(**{**row, "labels": tuple(row.get("labels") or ())}) for row in rows)
    for row in connection.execute(text(_COLUMNS), about).mappings():
        found.append(Column(definition=_defined(**row), **row))
    return {(each.kind, each.parent, each.name): each for each in found}


def _defined(type: str, required: str, fallback: str, origin: str, **_rest: object) -> str:
    if origin == "serial":
        type, origin = {"smallint": "smallserial", "bigint": "bigserial"}.get(type, "serial"), ""
    default = f"DEFAULT {fallback}" if fallback else ""
    return " ".join(filter(None, (type, origin, default, required)))


# What asks Postgres for the definitions of all that stands in a schema. Each query returns `kind`, `parent`
# (the table or domain that something belongs to), `name`, `definition`, `comment`, and more where a kind has more.
_HERE = "to_regnamespace(:schema)"
_SEQUENCE = """concat_ws(' ',
    CASE WHEN seqincrement <> 1 THEN 'INCREMENT BY ' || seqincrement END,
    CASE WHEN seqmin <> 1 THEN 'MINVALUE ' || seqmin END,
    CASE WHEN seqmax <> CASE seqtypid WHEN 'int2'::regtype THEN 32767
        WHEN 'int4'::regtype THEN 2147483647 ELSE 9223372036854775807 END
        THEN 'MAXVALUE ' || seqmax END,
    CASE WHEN seqstart <> seqmin THEN 'START WITH ' || seqstart END,
    CASE WHEN seqcache <> 1 THEN 'CACHE ' || seqcache END,
    CASE WHEN seqcycle THEN 'CYCLE' END)"""
"""What of a sequence is not as it would be without a word."""
_SHARED = f"""WITH tables AS (
    SELECT oid, relname, relpersistence, reloptions FROM pg_class
    WHERE relnamespace = {_HERE} AND relkind IN ('r', 'p') AND NOT relispartition
        AND relname <> 'alembic_version'
), sequences AS (
    SELECT seq.oid, seq.relname, seqtypid, {_SEQUENCE} AS options, deptype, attrelid, attnum,
        format('%s.%I', attrelid::regclass, attname) AS owner,
        -- Whether it is what `serial` makes, and goes without saying.
        coalesce(deptype = 'a' AND atttypid = seqtypid AND {_SEQUENCE} = ''
            AND seq.relname = format('%s_%s_seq', owner.relname, attname)
            AND pg_get_expr(adbin, adrelid) = format('nextval(%L::regclass)', seq.oid::regclass),
            false) AS serial
    FROM pg_class AS seq JOIN pg_sequence ON seqrelid = seq.oid
    LEFT JOIN pg_depend ON classid = 'pg_class'::regclass AND objid = seq.oid
        AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i')
    LEFT JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
    LEFT JOIN pg_class AS owner ON owner.oid = attrelid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE seq.relnamespace = {_HERE}
)"""


def _collation(base: str, collation: str) -> str:
    """Return what names the collation of something where it is not that of its type."""
    return f"""coalesce((SELECT format(' COLLATE %I.%I', nspname, collname)
        FROM pg_collation AS own JOIN pg_namespace ON pg_namespace.oid = collnamespace
        WHERE own.oid = {collation}
            AND own.oid <> (SELECT typcollation FROM pg_type WHERE pg_type.oid = {base})), '')"""


_COLUMNS = f"""{_SHARED}
    SELECT 'column' AS kind, tables.relname AS parent, attname AS name,
        col_description(att.attrelid, att.attnum) AS comment,
        format_type(atttypid, atttypmod) || {_collation("atttypid", "attcollation")} AS type,
        CASE WHEN attnotnull THEN 'NOT NULL' ELSE '' END || CASE WHEN EXISTS (
            SELECT FROM pg_constraint WHERE conrelid = att.attrelid AND contype = 'n'
                AND conkey[1] = att.attnum AND NOT convalidated) THEN ' NOT VALID' ELSE '' END
            AS required,
        CASE WHEN attgenerated = '' AND serial IS NOT TRUE
            THEN coalesce(pg_get_expr(adbin, adrelid), '') ELSE '' END AS fallback,
        CASE WHEN attgenerated <> '' THEN format('GENERATED ALWAYS AS (%s) %s',
                pg_get_expr(adbin, adrelid),
                CASE attgenerated WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END)
            WHEN attidentity <> '' THEN format('GENERATED %s AS IDENTITY',
                CASE attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END)
                || coalesce(' (' || nullif(options, '') || ')', '')
            WHEN serial THEN 'serial' ELSE '' END AS origin
    FROM tables JOIN pg_attribute AS att ON att.attrelid = tables.oid
        AND att.attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_attrdef ON adrelid = att.attrelid AND adnum = att.attnum
    LEFT JOIN sequences ON sequences.attrelid = att.attrelid AND sequences.attnum = att.attnum
    ORDER BY tables.relname, att.attnum"""
_TABLES = f"""{_SHARED}
    SELECT 'table' AS kind, '' AS parent, relname AS name, concat_ws(' ',
            CASE WHEN relpersistence = 'u' THEN 'UNLOGGED' END,
            'INHERITS (' || (SELECT string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno)
                FROM pg_inherits WHERE inhrelid = tables.oid) || ')',
            'PARTITION BY ' || pg_get_partkeydef(oid),
            'WITH (' || array_to_string(reloptions, ', ') || ')') AS definition,
        obj_description(oid, 'pg_class') AS comment FROM tables ORDER BY relname"""
_CONSTRAINTS = f"""{_SHARED}
    SELECT 'constraint' AS kind, relname AS parent, conname AS name,
        pg_get_constraintdef(con.oid) AS definition,
        obj_description(con.oid, 'pg_constraint') AS comment
    FROM tables JOIN pg_constraint AS con ON conrelid = tables.oid
    WHERE contype IN ('p', 'u', 'c', 'x', 'f') AND conislocal
    ORDER BY relname, position(contype::text IN 'pucxf'), conname"""
_INDEXES = f"""{_SHARED}
    SELECT 'index' AS kind, tables.relname AS parent, pg_class.relname AS name,
        pg_get_indexdef(indexrelid) || CASE WHEN indisvalid THEN '' ELSE ' INVALID' END
            AS definition,
        obj_description(indexrelid, 'pg_class') AS comment
    FROM tables JOIN pg_index ON indrelid = tables.oid JOIN pg_class ON pg_class.oid = indexrelid
    WHERE NOT EXISTS (SELECT FROM pg_constraint
        WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
    ORDER BY tables.relname, pg_class.relname"""
_SEQUENCES = f"""{_SHARED}
    SELECT 'sequence' AS kind, '' AS parent, relname AS name, concat_ws(' ',
            CASE WHEN seqtypid <> 'int8'::regtype THEN 'AS ' || format_type(seqtypid, NULL) END,
            nullif(options, ''),
            CASE WHEN deptype = 'a' THEN 'OWNED BY ' || owner END) AS definition,
        obj_description(oid, 'pg_class') AS comment
    FROM sequences WHERE deptype IS DISTINCT FROM 'i' AND NOT serial ORDER BY relname"""
_ENUMS = f"""
    SELECT 'enum' AS kind, '' AS parent, typname AS name,
        coalesce(string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder), '')
            AS definition,
        obj_description(pg_type.oid, 'pg_type') AS comment,
        array_agg(enumlabel::text ORDER BY enumsortorder) AS labels
    FROM pg_type LEFT JOIN pg_enum ON enumtypid = pg_type.oid
    WHERE typnamespace = {_HERE} AND typtype = 'e' GROUP BY pg_type.oid ORDER BY typname"""
_DOMAINS = f"""
    SELECT 'domain' AS kind, '' AS parent, typname AS name,
        concat_ws(' ', format_type(typbasetype, typtypmod)
                || {_collation("base.typbasetype", "base.typcollation")},
            'DEFAULT ' || typdefault, CASE WHEN typnotnull THEN 'NOT NULL' END) AS definition,
        obj_description(oid, 'pg_type') AS comment
    FROM pg_type AS base WHERE typnamespace = {_HERE} AND typtype = 'd' ORDER BY oid"""
_DOMAIN_CONSTRAINTS = f"""
    SELECT 'domain constraint' AS kind, typname AS parent, conname AS name,
        pg_get_constraintdef(con.oid) AS definition,
        obj_description(con.oid, 'pg_constraint') AS comment
    FROM pg_type JOIN pg_constraint AS con ON contypid = pg_type.oid AND contype = 'c'
    WHERE typnamespace = {_HERE} ORDER BY typname, conname"""

_THINGS = (
    _ENUMS,
    _DOMAINS,
    _DOMAIN_CONSTRAINTS,
    _SEQUENCES,
    _TABLES,
    _CONSTRAINTS,
    _INDEXES,
)
