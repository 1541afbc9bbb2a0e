"""Planted SQL that a module may not run, and SQL that it may."""

import pytest
from generated import UV, Generate
from plants import BILLING, Garden, Plant

ASK = "Call app.modules.catalog, or add what is missing to its interface."
OWN = "The tables of billing stand in the schema billing."
ROLE = "Statements here run as billing already"
TEXT = "from sqlalchemy import column, ForeignKey, ForeignKeyConstraint, select, Table, text\n"
OP = "import sqlalchemy as sa\nfrom alembic import op\n"
NEXT = f"{BILLING}/migrations/0002_next.py"

TRANSACTION = "whoever opened the transaction ends it."
GRANT = "what stands in the schema billing is for billing alone."
BEYOND = "which concerns the whole database."
SESSION = "which lasts beyond the transaction"
UNREAD = "holds SQL that cannot be read: "
FILE = f"{BILLING}/service.py"

SQL = {
    "a statement": Plant(
        f"{BILLING}/service.py", TEXT + 'text("SELECT * FROM catalog.items WHERE id = :id")', ASK
    ),
    "a quoted name": Plant(
        f"{BILLING}/service.py", TEXT + """text('DELETE FROM "catalog".items')""", ASK
    ),
    "a join": Plant(
        f"{BILLING}/service.py",
        TEXT + 'text("SELECT 1 FROM billing.invoices i JOIN Catalog.items c ON i.name = c.name")',
        ASK,
    ),
    "a subquery in a CTE": Plant(
        f"{BILLING}/service.py",
        TEXT + 'text("WITH x AS (SELECT id FROM catalog.items) SELECT * FROM x")',
        ASK,
    ),
    "a function": Plant(f"{BILLING}/service.py", TEXT + 'text("SELECT catalog.price(1)")', ASK),
    "a sequence in a string": Plant(
        f"{BILLING}/service.py", TEXT + """text("SELECT nextval('catalog.numbers')")""", ASK
    ),
    "a statement that is read as tokens": Plant(
        f"{BILLING}/service.py", TEXT + 'text("LOCK TABLE catalog.items")', ASK
    ),
    "a body": Plant(NEXT, OP + 'op.execute("DO $$ BEGIN DELETE FROM catalog.items; END $$")', ASK),
    "part of a statement": Plant(
        f"{BILLING}/service.py",
        TEXT + 'text("id IN (SELECT id FROM catalog.items)")',
        ASK,
    ),
    "a constant": Plant(
        f"{BILLING}/service.py", TEXT + 'Q = "SELECT * FROM " + "catalog.items"\ntext(Q)', ASK
    ),
    "an f-string, as far as it can be read": Plant(
        f"{BILLING}/service.py", TEXT + 'text(f"SELECT {1} FROM catalog.items")', ASK
    ),
    "several lines": Plant(
        f"{BILLING}/service.py",
        TEXT + 'text(\n    "SELECT *"  # first\n    " FROM catalog.items"\n)',
        ASK,
        at="first",
    ),
    "a renamed text()": Plant(
        f"{BILLING}/service.py",
        'from sqlalchemy import text as t\nt("SELECT * FROM catalog.items")',
        ASK,
    ),
    "exec_driver_sql": Plant(
        f"{BILLING}/service.py",
        'async def f(connection):\n    connection.exec_driver_sql("TRUNCATE catalog.items")',
        ASK,
    ),
    "the driver itself": Plant(
        f"{BILLING}/tests/test_service.py",
        'async def test(raw):\n    await raw.fetch("SELECT * FROM catalog.items")',
        ASK,
    ),
    "the tests at the root": Plant(
        "tests/test_application.py", TEXT + 'text("SELECT * FROM catalog.items")', ASK
    ),
    "a schema of nobody": Plant(
        f"{BILLING}/service.py", TEXT + 'text("SELECT * FROM public.invoices")', OWN
    ),
    "metadata": Plant(
        f"{BILLING}/tables.py",
        'from sqlalchemy import MetaData\nOther = MetaData(schema="catalog")',
        ASK,
    ),
    "metadata without a schema": Plant(
        f"{BILLING}/tables.py",
        "import sqlalchemy as sa\nOther = sa.MetaData()",
        'Say schema="billing".',
    ),
    "a base without metadata": Plant(
        f"{BILLING}/tables.py",
        "from sqlalchemy.orm import DeclarativeBase\nclass Other(DeclarativeBase): ...",
        'Say schema="billing".',
    ),
    "a table": Plant(
        f"{BILLING}/tables.py",
        'from sqlalchemy import Table\nfrom .tables import Base\nTable("items", Base.metadata, schema="catalog")',
        ASK,
    ),
    "__table_args__": Plant(
        f"{BILLING}/tables.py",
        'class Item(Base):\n    __table_args__ = ({"schema": "catalog"},)',
        ASK,
    ),
    "a foreign key": Plant(
        f"{BILLING}/tables.py",
        'from sqlalchemy import ForeignKey\nmapped_column(ForeignKey("catalog.items.id"))',
        ASK,
    ),
    "schema_translate_map": Plant(
        f"{BILLING}/service.py",
        "def f(tx):\n    tx.execute(1, execution_options=dict(schema_translate_map={}))",
        ROLE,
    ),
    "a migration of another schema": Plant(
        NEXT, OP + 'op.drop_table("items", schema="catalog")', ASK
    ),
    "a migration without a schema": Plant(
        NEXT, OP + 'op.add_column("invoices", sa.Column("x"))', 'Say schema="billing".'
    ),
    "a foreign key in a migration": Plant(
        NEXT, OP + 'sa.ForeignKeyConstraint(["a"], ["catalog.items.id"])', ASK
    ),
    "a foreign key added by a migration": Plant(
        NEXT,
        OP + 'op.create_foreign_key("x", "invoices", "items", ["a"], ["id"],\n'
        '    source_schema="billing", referent_schema="catalog")',
        ASK,
    ),
    "SQL in a migration": Plant(NEXT, OP + 'op.execute("UPDATE catalog.items SET name = 1")', ASK),
    "SET ROLE": Plant(f"{BILLING}/service.py", TEXT + 'text("SET ROLE catalog")', ROLE),
    "SET LOCAL ROLE in an f-string": Plant(
        f"{BILLING}/service.py", TEXT + """text(f'SET LOCAL ROLE "{1}"')""", ROLE
    ),
    "a second statement": Plant(
        f"{BILLING}/service.py", TEXT + 'text("SELECT 1; set /* */ role catalog")', ROLE
    ),
    "RESET ROLE": Plant(NEXT, OP + 'op.execute("RESET ROLE")', ROLE),
    "set_config": Plant(
        f"{BILLING}/service.py", TEXT + """text("SELECT set_config('role', 'x', true)")""", ROLE
    ),
    "SET SESSION AUTHORIZATION": Plant(
        f"{BILLING}/tests/test_service.py",
        TEXT + 'text("SET SESSION AUTHORIZATION catalog")',
        ROLE,
    ),
    "a role in main": Plant(
        "src/app/main.py", TEXT + 'text("SET ROLE catalog")', "Hand the statement to a module's"
    ),
    "search_path": Plant(
        f"{BILLING}/service.py", TEXT + 'text("SET search_path TO catalog")', ROLE
    ),
}

COMMIT = {
    "as it is": 'text("COMMIT")',
    "in a constant": 'Q = "COMMIT"\ntext(Q)',
    "in a constant of the class": 'class S:\n    Q = "COMMIT"\n    def f(self):\n        text(self.Q)',
    "in a constant of another class": 'class C:\n    Q = "COMMIT"\ndef f():\n    text(C.Q)',
    "given to self": 'class S:\n    def __init__(self):\n        self.q = "COMMIT"\n    def f(self):\n        text(self.q)',
    "in a variable": 'def f():\n    q = "COMMIT"\n    text(q)',
    "in a variable outside": 'def f():\n    q = "COMMIT"\n    def g():\n        text(q)',
    "in a variable of two steps": 'def f():\n    p = "COM"\n    q = p + "MIT"\n    text(q)',
    "in an f-string": 'P = "COM"\ntext(f"{P}MIT")',
    "by format": 'text("{}MIT".format("COM"))',
    "by format, with names": 'text("{x}MIT".format(x="COM"))',
    "by percent": 'text("%sMIT" % "COM")',
    "by join": 'text("".join(["COM", "MIT"]))',
    "stripped": 'text("  COMMIT ".strip())',
    "in capitals": 'text("commit".upper())',
    "dedented": 'from textwrap import dedent\ntext(dedent("COMMIT"))',
    "by a walrus": 'def f():\n    if q := "COMMIT":\n        text(q)',
    "imported": "from .constants import END\ntext(END)",
    "imported with its file": "from app.modules.billing import constants\ntext(constants.END)",
    "behind another statement": 'text("SELECT 1; COMMIT")',
    "by keyword": 'text(text="COMMIT")',
    "as a clause": 'import sqlalchemy.sql.elements as e\ne.TextClause("COMMIT")',
    "as DDL": 'from sqlalchemy import DDL\nDDL("COMMIT")',
    "by the driver": 'async def f(x):\n    x.execute("COMMIT")',
}
"""Every way to write one text."""


def second(text: str, says: str) -> Plant:
    """A statement in a module's service."""
    return Plant(FILE, TEXT + f"text({text!r})", says)


def migrated(sql: str, says: str) -> Plant:
    return Plant(NEXT, OP + f"op.execute({sql!r})", says)


ENDS = {f"COMMIT {way}": Plant(FILE, TEXT + code, TRANSACTION) for way, code in COMMIT.items()} | {
    sql: second(sql, TRANSACTION)
    for sql in (
        "BEGIN",
        "START TRANSACTION",
        "ROLLBACK",
        "ABORT",
        "END",
        "SAVEPOINT a",
        "RELEASE a",
        "ROLLBACK TO SAVEPOINT a",
        "PREPARE TRANSACTION 'a'",
        "ROLLBACK PREPARED 'a'",
        "DO $$ BEGIN COMMIT; END $$",
    )
}

SPEAKS = {
    sql: second(sql, ROLE)
    for sql in (
        "RESET ROLE",
        "SET LOCAL SESSION AUTHORIZATION x",
        "SET LOCAL search_path = catalog",
        "RESET search_path",
        "SET role = 'x'",
        "SELECT pg_catalog.set_config('session_authorization', 'x', true)",
        "DO $$ BEGIN SET LOCAL ROLE x; END $$",
        "DO $$ BEGIN PERFORM set_config('role', 'x', true); END $$",
        "DO LANGUAGE plpgsql 'BEGIN EXECUTE ''SET ROLE x''; END'",
        "EXPLAIN ANALYZE SELECT set_config('role', 'x', true)",
    )
} | {
    "set_config by func": Plant(
        FILE, 'from sqlalchemy import func\nfunc.set_config("role", "x", True)', ROLE
    ),
}

OPENS = {
    sql: migrated(sql, GRANT)
    for sql in (
        "GRANT USAGE ON SCHEMA billing TO PUBLIC",
        "GRANT SELECT ON billing.invoices TO catalog",
        "GRANT SELECT ON ALL TABLES IN SCHEMA billing TO PUBLIC",
        "GRANT SELECT (name) ON billing.invoices TO PUBLIC",
        "GRANT app__billing TO app__catalog",
        "REVOKE SELECT ON billing.invoices FROM app__billing",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA billing GRANT SELECT ON TABLES TO PUBLIC",
        "ALTER TABLE billing.invoices OWNER TO catalog",
        "ALTER FUNCTION billing.f() OWNER TO catalog",
        "ALTER FUNCTION billing.f() SECURITY DEFINER",
        "CREATE FUNCTION billing.f() RETURNS int LANGUAGE sql SECURITY DEFINER RETURN 1",
        "REASSIGN OWNED BY a TO b",
        "DO $$ BEGIN GRANT SELECT ON billing.invoices TO PUBLIC; END $$",
    )
}

REACHES = {
    sql: migrated(sql, BEYOND)
    for sql in (
        "CREATE SCHEMA more",
        "DROP SCHEMA billing",
        "ALTER SCHEMA billing RENAME TO other",
        "CREATE EXTENSION citext",
        "ALTER EXTENSION citext UPDATE",
        "DROP EXTENSION citext",
        "CREATE ROLE x",
        "ALTER ROLE x SET work_mem = '1GB'",
        "DROP ROLE x",
        "CREATE EVENT TRIGGER t ON ddl_command_start EXECUTE FUNCTION billing.f()",
        "ALTER SYSTEM SET work_mem = '1GB'",
        "ALTER DATABASE shop SET work_mem = '1GB'",
        "CREATE PUBLICATION p FOR TABLE billing.invoices",
        "CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw",
        "IMPORT FOREIGN SCHEMA x FROM SERVER s INTO billing",
    )
}

LASTS = {
    sql: second(sql, SESSION)
    for sql in (
        "SET statement_timeout = 0",
        "RESET ALL",
        "SELECT set_config('statement_timeout', '0', false)",
        "UPDATE pg_settings SET setting = 'x' WHERE name = 'role'",
        "DISCARD ALL",
        "DEALLOCATE ALL",
        "LISTEN x",
        "PREPARE q AS SELECT 1",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_catalog.pg_try_advisory_lock_shared(1, 2)",
        "CREATE TEMP TABLE t (a int)",
        "CREATE TEMP TABLE t ON COMMIT PRESERVE ROWS AS SELECT 1",
        "SELECT 1 AS a INTO TEMP t",
        "CREATE TEMP VIEW v AS SELECT 1",
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
    )
}

TOUCHES = {
    sql: migrated(sql, ASK)
    for sql in (
        "COMMENT ON TABLE catalog.items IS 'x'",
        "COMMENT ON COLUMN catalog.items.name IS 'x'",
        "DROP TABLE IF EXISTS catalog.items",
        "DROP FUNCTION catalog.f(int)",
        "DROP TYPE catalog.t",
        "TRUNCATE catalog.items",
        "CALL catalog.p()",
        "CLUSTER catalog.items",
        "REFRESH MATERIALIZED VIEW catalog.v",
        "COPY catalog.items TO STDOUT",
        "MERGE INTO catalog.items USING billing.invoices i ON true WHEN MATCHED THEN DELETE",
        "CREATE TRIGGER t BEFORE INSERT ON catalog.items EXECUTE FUNCTION billing.f()",
        "CREATE RULE r AS ON INSERT TO catalog.items DO INSTEAD NOTHING",
        "CREATE VIEW billing.v AS SELECT * FROM catalog.items",
        "CREATE TYPE catalog.t AS ENUM ('a')",
        "CREATE SEQUENCE catalog.s",
        "CREATE INDEX i ON catalog.items (name)",
        "CREATE POLICY p ON catalog.items USING (true)",
        "CREATE TABLE billing.x (a catalog.t)",
        "CREATE TABLE billing.x (a int REFERENCES catalog.items)",
        "CREATE TABLE billing.x (LIKE catalog.items)",
        "CREATE TABLE billing.x (a int DEFAULT nextval('catalog.numbers'))",
        "ALTER TABLE billing.invoices SET SCHEMA catalog",
        "ALTER TABLE billing.invoices INHERIT catalog.items",
        "CREATE FUNCTION billing.f() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM catalog.items'",
        "CREATE FUNCTION billing.f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1 FROM catalog.items; END",
        "CREATE FUNCTION billing.f() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO catalog.items VALUES (1); RETURN NEW; END $$",
        "CREATE FUNCTION billing.f() RETURNS int LANGUAGE sql SET search_path = catalog RETURN 1",
        "SELECT 'catalog.items'::regclass",
        "SELECT CAST('catalog.items' AS regclass)",
        "SELECT pg_total_relation_size('catalog.items')",
        "SELECT query_to_xml('SELECT * FROM catalog.items', true, true, '')",
        "SELECT 1 OPERATOR(catalog.+) 2",
        "SELECT * FROM catalog.f() WITH ORDINALITY",
        "SELECT * FROM ROWS FROM (catalog.f(1), billing.g(2))",
        "UPDATE billing.invoices SET name = c.name FROM catalog.items c RETURNING WITH (OLD AS o) o.id",
        "EXPLAIN DELETE FROM catalog.items",
    )
}

SA = "import sqlalchemy as sa\n"
BASE = SA + "from sqlalchemy.orm import declared_attr\nfrom .tables import Base\n"
TABLES = f"{BILLING}/tables.py"
COMPILES = "from sqlalchemy.ext.compiler import compiles\n@compiles(object)\n"
OWN_TYPE = "from sqlalchemy.types import UserDefinedType\nclass Mood(UserDefinedType):\n"

WAYS = {
    "a schema in a variable": Plant(
        TABLES,
        SA + 'def f(metadata):\n    name = "catalog"\n    sa.Table("items", metadata, schema=name)',
        ASK,
    ),
    "a schema that nobody knows": Plant(
        TABLES, SA + 'def f(name, metadata):\n    sa.Table("items", metadata, schema=name)', UNREAD
    ),
    "a schema that is imported": Plant(
        TABLES, SA + 'from .constants import THEIRS\nsa.Enum("a", schema=THEIRS)', ASK
    ),
    "a schema without a keyword": Plant(TABLES, SA + 'sa.MetaData("catalog")', ASK),
    "a schema that is quoted": Plant(
        TABLES, SA + 'sa.MetaData(schema=sa.quoted_name("catalog", True))', ASK
    ),
    "a schema of a light table": Plant(FILE, SA + 'sa.table("items", schema="catalog")', ASK),
    "a schema of an enum": Plant(TABLES, SA + 'sa.Enum("a", name="e", schema="catalog")', ASK),
    "a schema of a sequence": Plant(TABLES, SA + 'sa.Sequence("s", schema="catalog")', ASK),
    "a schema of a copy": Plant(
        TABLES,
        BASE
        + 'Base.metadata.tables["x"].to_metadata(sa.MetaData(schema="billing"), schema="catalog")',
        ASK,
    ),
    "a schema that is set later": Plant(TABLES, BASE + 'Base.metadata.schema = "catalog"', ASK),
    "a schema that is set by name": Plant(
        TABLES, BASE + 'setattr(Base.metadata, "schema", "catalog")', ASK
    ),
    "declared_attr": Plant(
        TABLES,
        BASE + "class Item(Base):\n    @declared_attr.directive\n    def __table_args__(cls):\n"
        '        return {"schema": "catalog"}',
        ASK,
    ),
    "declared_attr that nobody can read": Plant(
        TABLES,
        BASE + "class Item(Base):\n    @declared_attr.directive\n    def __table_args__(cls):\n"
        '        return {"schema": cls.where()}',
        UNREAD,
    ),
    "arguments of a table elsewhere": Plant(
        TABLES,
        BASE + 'ARGS = {"schema": "catalog"}\nclass Item(Base):\n    __table_args__ = ARGS',
        ASK,
        at="ARGS = {",
    ),
    "a foreign key by keyword": Plant(TABLES, SA + 'sa.ForeignKey(column="catalog.items.id")', ASK),
    "a foreign key in a variable": Plant(
        TABLES, SA + 'ITEM = "catalog.items.id"\nsa.ForeignKey(ITEM)', ASK
    ),
    "a foreign key put together": Plant(
        TABLES, SA + 'S = "catalog"\nsa.ForeignKey(f"{S}.items.id")', ASK
    ),
    "a foreign key of which nobody knows": Plant(
        TABLES, SA + 'def f(s):\n    sa.ForeignKey(f"{s}.items.id")', UNREAD
    ),
    "foreign keys by keyword": Plant(
        TABLES, SA + 'sa.ForeignKeyConstraint(["a"], refcolumns=["catalog.items.id"])', ASK
    ),
    "a table that is reflected": Plant(
        TABLES, SA + 'def f(m, e):\n    sa.Table("items", m, autoload_with=e)', UNREAD
    ),
    "a schema that is made": Plant(
        TABLES, "from sqlalchemy.schema import CreateSchema\nCreateSchema('more')", BEYOND
    ),
    "metadata that is reflected": Plant(
        TABLES, BASE + "def f(e):\n    Base.metadata.reflect(e)", UNREAD
    ),
    "a base of the old kind": Plant(
        TABLES,
        "from sqlalchemy.orm import declarative_base\ndeclarative_base()",
        'Say schema="billing".',
    ),
    "COPY": Plant(
        f"{BILLING}/tests/test_service.py",
        SA + 'async def f(x):\n    await x.copy_records_to_table("items", schema_name="catalog")',
        ASK,
    ),
    "a function by func": Plant(FILE, SA + "sa.func.catalog.price(1)", ASK),
    "a function by func and getattr": Plant(FILE, SA + 'getattr(sa.func, "catalog").price(1)', ASK),
    "a function of a package": Plant(
        FILE,
        "from sqlalchemy.sql.functions import Function\nFunction('price', packagenames=['catalog'])",
        ASK,
    ),
    "a sequence by func": Plant(FILE, SA + 'sa.func.nextval("catalog.numbers")', ASK),
    "SQL by func": Plant(
        FILE, SA + 'sa.func.query_to_xml("SELECT 1 FROM catalog.items", True, True, "")', ASK
    ),
    "REGCLASS": Plant(
        FILE,
        SA
        + 'from sqlalchemy.dialects.postgresql import REGCLASS\nsa.cast("catalog.items", REGCLASS)',
        ASK,
    ),
    "text with columns": Plant(
        FILE, SA + 'sa.text("SELECT id FROM catalog.items").columns(sa.column("id"))', ASK
    ),
    "text behind FROM": Plant(FILE, SA + 'sa.select().select_from(sa.text("catalog.items"))', ASK),
    "text behind FROM, joined": Plant(
        FILE, SA + 'sa.text("billing.invoices i JOIN catalog.items c USING (id)")', ASK
    ),
    "one outcome of a condition": Plant(
        FILE,
        TEXT + 'def f(x):\n    where = "a > 1" if x else "catalog.price(1) > 1"\n    text(where)',
        ASK,
    ),
    "a condition inside": Plant(
        FILE,
        TEXT
        + 'def f(x, y):\n    text("SELECT 1 " + ("" if x else ", 2 ") + ("" if y else "FROM catalog.items"))',
        ASK,
    ),
    "the end as one outcome": Plant(
        FILE, TEXT + 'def f(x):\n    text("SELECT 1" if x else "COMMIT")', TRANSACTION
    ),
    "a lock by func": Plant(FILE, SA + "sa.func.pg_advisory_lock(1)", "pg_advisory_xact_lock"),
    "a setting that lasts, by func": Plant(
        FILE, SA + 'sa.func.set_config("app.tenant", "a", False)', SESSION
    ),
    "a role by func": Plant(FILE, SA + 'sa.func.set_config("role", "a", True)', ROLE),
    "an operator of theirs": Plant(FILE, SA + 'sa.column("a").op("OPERATOR(catalog.+)")(1)', ASK),
    "a column that is SQL": Plant(FILE, SA + 'sa.column("catalog.price(1)", is_literal=True)', ASK),
    "a second prefix": Plant(
        FILE, SA + 'sa.select(1).prefix_with("DISTINCT", "catalog.price(1), ")', ASK
    ),
    "other schemas by an option": Plant(
        FILE,
        'def f(tx, q):\n    tx.execute(q, execution_options={"schema_translate_map": {"a": "b"}})',
        "the platform alone decides who speaks",
    ),
    "a foreign key that is imported": Plant(
        TABLES, SA + "from .constants import KEY\nsa.ForeignKey(KEY)", ASK
    ),
    "foreign keys in a list": Plant(
        TABLES,
        SA + 'KEYS = ["catalog.items.id"]\nsa.ForeignKeyConstraint(["a"], KEYS)',
        ASK,
        at="KEYS =",
    ),
    "a table that stays, by the name of its schema": migrated(
        "CREATE TABLE pg_temp.t (a int)", SESSION
    ),
    "a lock in a migration": migrated("SELECT pg_advisory_lock(1)", "pg_advisory_xact_lock"),
    "a literal column": Plant(FILE, SA + 'sa.literal_column("catalog.price(1)")', ASK),
    "text behind a statement": Plant(
        FILE, SA + 'sa.select(1).suffix_with("UNION SELECT 1 FROM catalog.items")', ASK
    ),
    "a constraint": Plant(TABLES, SA + 'sa.CheckConstraint("catalog.price(1) > 0")', ASK),
    "a constraint in a migration": Plant(
        NEXT,
        OP
        + 'op.create_check_constraint("c", "invoices", "catalog.price(1) > 0", schema="billing")',
        ASK,
    ),
    "a computed column": Plant(TABLES, SA + 'sa.Computed(sqltext="catalog.price(1)")', ASK),
    "what a construct compiles to": Plant(
        FILE, COMPILES + 'def f(element, compiler, **rest):\n    return "catalog.price(1)"', ASK
    ),
    "what a type is called": Plant(
        TABLES, OWN_TYPE + '    def get_col_spec(self):\n        return "catalog.mood"', ASK
    ),
    "a schema of a copy, without a keyword": Plant(
        TABLES, BASE + 'def f(metadata):\n    Base.__table__.to_metadata(metadata, "catalog")', ASK
    ),
    "a column that is SQL, without a keyword": Plant(
        FILE, SA + 'sa.column("catalog.price(1)", sa.Integer, True)', ASK
    ),
    "a column of the kind of another": Plant(
        FILE, SA + 'def f(c):\n    type(c)("catalog.price(1)", None, True)', ASK
    ),
    "a column by another name": Plant(
        FILE, SA + 'C = sa.column\nC("catalog.price(1)", None, True)', ASK
    ),
    "what an index is on": Plant(
        TABLES, SA + 'sa.Index("i", "x", postgresql_where="catalog.price(1) > 0")', ASK
    ),
}

UNREADABLE = {
    "a parameter": "def f(q):\n    text(q)",
    "a parameter with a default": 'def f(q="SELECT 1"):\n    text(q)',
    "one of two": 'def f(x):\n    q = "SELECT 1"\n    if x:\n        q = "SELECT 2"\n    text(q)',
    "a hole in the middle": 'def f(t):\n    text(f"SELECT * FROM {t}")',
    "a hole at the start": 'def f(verb):\n    text(f"{verb} ROLE x")',
    "a hole by format": 'def f(t):\n    text("SELECT * FROM {}".format(t))',
    "a hole by percent": 'def f(t):\n    text("SELECT * FROM %s" % t)',
    "arguments that are unpacked": "def f(given):\n    text(**given)",
    "a call": "def f(g):\n    text(g())",
    "an element": 'Q = {"a": "SELECT 1"}\ntext(Q["a"])',
    "a condition of which one is unknown": 'def f(x, q):\n    text("SELECT 1" if x else q)',
    "an operator": "def f(o):\n    column('a').op(o)(1)",
    "an operator with a hole": "def f(o):\n    column('a').op(f'{o}+')(1)",
    "a prefix": "def f(q):\n    select(1).prefix_with('a', q)",
    "a suffix with a hole": "def f(q):\n    select(1).suffix_with(f'FROM {q}')",
    "a hint": "def f(q):\n    select(1).with_hint(None, q)",
    "a hint to a statement": "def f(q):\n    select(1).with_statement_hint(text=q)",
    "a column as it is": "def f(q):\n    column(q, is_literal=True)",
    "a column as it perhaps is": "def f(q, x):\n    column(q, None, x)",
    "a column of arguments": "def f(x):\n    column(*x)",
    "a column that is made later": (
        "from functools import partial\npartial(column, is_literal=True)('a')"
    ),
    "a table that is made later": (
        "from functools import partial\ndef f(s):\n    partial(Table, schema=s)('x')"
    ),
    "a table by another name": "T = Table\ndef f(m, s):\n    T('x', m, schema=s)",
    "a table of the kind of another": "def f(t, s):\n    type(t)('x', t.metadata, schema=s)",
    "a table of the class of another": "def f(t, s):\n    t.__class__('x', t.metadata, schema=s)",
    "a schema of a copy": "def f(t, m, s):\n    t.to_metadata(m, schema=s)",
    "a schema of a copy, by position": "def f(t, m, s):\n    t.to_metadata(m, s)",
    "schemas of keys of a copy": "def f(t, m, s):\n    t.to_metadata(m, referred_schema_fn=s)",
    "what a construct compiles to": (
        COMPILES + "def f(element, compiler, **rest):\n    return f'price({compiler})'"
    ),
    "what a type is called": (
        OWN_TYPE + "    def get_col_spec(self):\n        return f'{self.name}(3)'"
    ),
    "options of a table": "def f(m, o):\n    Table('x', m, **o)",
    "a foreign key in a parameter": "def f(k):\n    ForeignKey(k)",
    "a foreign key from a call": "def f(k):\n    ForeignKey(k())",
    "foreign keys in a parameter": "def f(k):\n    ForeignKeyConstraint(['a'], k)",
    "one of several foreign keys": "def f(k):\n    ForeignKeyConstraint(['a'], ['billing.a.id', k])",
    "text of a package as a value": "from sqlalchemy.sql import text as t\nx = map(t, [])",
    "functions of a package as a value": "from sqlalchemy.sql import func as f\nx = f",
    "a package as a value": "from sqlalchemy.sql import expression\nx = expression",
    "a class of texts": (
        "from sqlalchemy.sql.elements import TextClause\nclass Mine(TextClause): pass"
    ),
    "no SQL": 'text("SELECT FROM WHERE")',
    "text as a value": "x = map(text, [])",
    "text by another name": "run = text",
    "an import from elsewhere": "from app.platform.jobs import x\ntext(x)",
    "an import of what is not there": "from .constants import NONE\ntext(NONE)",
    "an import of what cannot be read": "from .constants import HALF\ntext(HALF)",
    "a body in another language": "text(\"DO LANGUAGE plpython3u 'x'\")",
    "a body that puts SQL together": "text(\"DO $$ BEGIN EXECUTE 'DROP TABLE ' || x; END $$\")",
    "SQL in a parameter": "text(\"SELECT query_to_xml(:q, true, true, '')\")",
    "a setting in a parameter": 'text("SELECT set_config(:s, :v, true)")',
}


def excused(code: str) -> str:
    """The same, with a reason in the last line."""
    return f"{code}  # sql: it comes from our own list"


UNREAD_PLANTS = {name: Plant(FILE, TEXT + code, UNREAD) for name, code in UNREADABLE.items()}
EXCUSED = {
    f"{name}, excused": Plant(FILE, TEXT + excused(code)) for name, code in UNREADABLE.items()
}
REASONS = {
    "no reason": Plant(FILE, TEXT + "def f(q):\n    text(q)  # sql:", "gives no reason"),
    "no need of a reason": Plant(
        FILE, TEXT + 'text("SELECT 1")  # sql: it is short', "Take the comment out."
    ),
    "a reason for what is no SQL": Plant(FILE, "x = 1  # sql: none", "Take the comment out."),
    "a reason for what is refused": Plant(
        FILE,
        TEXT + 'def f(q):\n    text(f"SELECT {q} FROM catalog.items")  # sql: it must be',
        ASK,
    ),
}

HONEST = {
    sql: second(sql, "")
    for sql in (
        "SELECT * FROM billing.invoices WHERE id = :id AND name = ANY(:names)",
        "SELECT * FROM billing.invoices WHERE id IN :ids",
        "SELECT * FROM pg_catalog.pg_class",
        "SELECT public.f(1), extensions.similarity(name, :name) FROM billing.invoices",
        "INSERT INTO billing.x VALUES ('catalog.x') ON CONFLICT DO NOTHING",
        "UPDATE billing.x SET role = 1 RETURNING WITH (OLD AS o) o.role",
        "SELECT catalog.id FROM billing.x AS catalog",
        "SELECT catalog.n FROM (SELECT 1 AS n) AS catalog",
        "WITH catalog AS (SELECT 1 AS n) SELECT n FROM catalog",
        "SELECT 1 FROM billing.x catalog FOR UPDATE OF catalog",
        "SELECT nextval('billing.numbers')",
        "SELECT pg_notify('catalog.changed', 'x')",
        "SELECT pg_advisory_xact_lock(1)",
        "SET LOCAL statement_timeout = 5000",
        "CREATE TEMP TABLE t (a int) ON COMMIT DROP",
        "DECLARE c CURSOR FOR SELECT 1",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SELECT set_config('app.user', :user, true)",
        "now()",
        "name DESC NULLS LAST",
        "billing.invoices i JOIN billing.x USING (id)",
        "'12:30'::time",
    )
} | {
    "a migration": Plant(NEXT, OP + 'op.create_index("x", "invoices", ["name"], schema="billing")'),
    "an update by expressions": Plant(
        NEXT,
        OP + 'TABLE = sa.table("invoices", sa.column("name"), schema="billing")\n'
        "statement = TABLE.update().values(name=1)\nop.execute(statement)\n"
        "op.execute(sa.delete(TABLE))",
    ),
    "a trigger": migrated(
        "CREATE FUNCTION billing.touch() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS "
        "$$ BEGIN NEW.changed_at := now(); RETURN NEW; END $$; "
        "CREATE TRIGGER touch BEFORE UPDATE ON billing.invoices FOR EACH ROW "
        "EXECUTE FUNCTION billing.touch()",
        "",
    ),
    "a function that is not for everybody": migrated(
        "REVOKE ALL ON FUNCTION billing.f() FROM PUBLIC", ""
    ),
    "columns of PostgreSQL 18": migrated(
        "CREATE TABLE billing.x (a extensions.citext, b int GENERATED ALWAYS AS (1) VIRTUAL, "
        "c daterange, PRIMARY KEY (a, c WITHOUT OVERLAPS))",
        "",
    ),
    "constants": Plant(
        FILE,
        TEXT + "from .constants import QUERY\nLIMIT = 5\n"
        'class S:\n    Q = "SELECT 1"\n    def f(self):\n        rest = f"LIMIT {LIMIT}"\n'
        '        return text(QUERY), text(self.Q), text(f"SELECT 1 {rest}")',
    ),
    "tables": Plant(
        TABLES,
        BASE + 'sa.ForeignKey("billing.invoices.id"), sa.ForeignKey(Base.id)\n'
        'from .constants import OURS\nsa.Enum("a", schema=OURS), sa.Sequence("s", metadata=Base.metadata)\n'
        'sa.CheckConstraint("stock >= 0"), sa.Index("i", "x", postgresql_using="gin")\n'
        "sa.func.count(), sa.func.coalesce(sa.func.sum(Base.x), 0), sa.func.lower('a.b')",
    ),
    "constructs and types of its own": Plant(
        TABLES,
        COMPILES
        + "def f(element, compiler, **rest):\n    return compiler.visit_function(element)\n"
        + COMPILES
        + "def g(element, compiler, **rest):\n    return \"now() AT TIME ZONE 'UTC'\"\n"
        + OWN_TYPE
        + '    def get_col_spec(self):\n        return "extensions.vector(3)"',
    ),
    "copies and columns": Plant(
        TABLES,
        BASE + "def f(m, x, name):\n    Base.__table__.to_metadata(m)\n"
        '    Base.__table__.to_metadata(m, schema="billing")\n    type(x)(x, name, True)\n'
        "    type(x)(**name)\n    sa.column(name), sa.column(name, sa.Integer, False)",
    ),
    "types": Plant(
        FILE,
        "from sqlalchemy import DDL, Select, TextClause, text\n"
        "def f(a: TextClause | Select, b: list[DDL]) -> TextClause:\n    x: TextClause = a\n"
        "    return text('SELECT 1') if isinstance(x, (TextClause, DDL)) else x",
    ),
    "a base of two": Plant(
        TABLES,
        "from sqlalchemy import MetaData\nfrom sqlalchemy.ext.asyncio import AsyncAttrs\n"
        "from sqlalchemy.orm import DeclarativeBase\nclass Base(AsyncAttrs, DeclarativeBase):\n"
        '    metadata = MetaData(schema="billing")',
    ),
    "a setting of its own": Plant(
        FILE,
        SA + "def f(tenant):\n    sa.func.set_config('app.tenant', tenant, True)\n"
        "    sa.func.set_config('app.tenant', tenant, sa.true())",
    ),
    "outcomes that can be read": Plant(
        FILE, TEXT + 'def f(x):\n    where = "a > 3" if x else "a > 2"\n    text(where)'
    ),
    "operators and clauses": Plant(
        FILE,
        SA
        + "a = sa.column('a')\na.op('->>')(1), a.op('@@')(1), a.op('<->')(1), a.op('IS DISTINCT FROM')(1)\n"
        "sa.select(1).prefix_with('DISTINCT', '/*+ SeqScan(t) */'), sa.select(1).with_hint(a, '/* x */')\n"
        "sa.select(1).suffix_with('FOR UPDATE'), sa.select(1).prefix_with(sa.text('ALL'))\n"
        "sa.column('b', is_literal=False), sa.Table('x', sa.MetaData(schema='billing'))",
    ),
    "foreign keys": Plant(
        TABLES,
        BASE + 'KEYS = ["billing.invoices.id"]\nsa.ForeignKeyConstraint(["a"], KEYS)\n'
        "sa.ForeignKeyConstraint(['a'], [Base.id]), sa.ForeignKey(Base.x.c['id'])",
    ),
    "what only looks like SQL": Plant(
        FILE,
        "async def f(redis, http, page, draw):\n    redis.execute('GET x'), http.fetch('https://a.b')\n"
        "    page.text('Hello there'), draw(schema='v1'), redis.execute(page)",
    ),
    "a schema of something else": Plant(FILE, "def f(api):\n    api.load(schema='catalog')"),
    "SQL of the platform": Plant("src/app/platform/web/http.py", TEXT + 'text("SET ROLE catalog")'),
}

REFUSED = SQL | ENDS | SPEAKS | OPENS | REACHES | LASTS | TOUCHES | WAYS | UNREAD_PLANTS | REASONS
PASS = HONEST | EXCUSED
CONSTANTS = """\
from app.platform.jobs import TABLE
END = "COMMIT"
OURS = "billing"
THEIRS = "catalog"
KEY = "catalog.items.id"
QUERY = "SELECT * FROM billing.invoices"
HALF = f"SELECT * FROM {TABLE}"
"""


@pytest.fixture(scope="module")
def garden(generate: Generate) -> Garden:
    shop = generate()
    shop.add_module("billing", "--entity", "invoice")
    shop.run(UV, "sync", "--quiet")
    (shop.path / BILLING / "constants.py").write_text(CONSTANTS)
    return Garden(shop, REFUSED | PASS, "checks", "sql")


@pytest.mark.parametrize("name", REFUSED)
def test_the_sql_wall_refuses(garden: Garden, name: str) -> None:
    garden.assert_refused(name)


@pytest.mark.parametrize("name", PASS)
def test_the_sql_wall_lets_pass(garden: Garden, name: str) -> None:
    assert garden.said_of(name) == []
