"""A migration that would stop or break what runs is refused before it meets a database."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from generated import UV, Generate, Repository

FOLDER = "src/app/modules/catalog/migrations"
FIRST = f"{FOLDER}/0001_create_items.py"
SECOND = f"{FOLDER}/0002_second.py"
CONCURRENTLY = """\
with op.get_context().autocommit_block():
        op.create_index("ix_name", "items", ["name"], schema="catalog", if_not_exists=True,
            postgresql_concurrently=True)"""


@pytest.fixture(scope="module")
def migrated(generate: Generate) -> Repository:
    shop = generate()
    shop.run(UV, "sync", "--quiet")
    shop.commit()
    return shop


@pytest.fixture
def shop(migrated: Repository) -> Iterator[Repository]:
    """The repository, put back to what it was after the test."""
    yield migrated
    migrated.git("checkout", "--quiet", ".")
    migrated.git("clean", "-dfq")


def write(shop: Repository, operation: str, *, file: str = SECOND, more: str = "") -> None:
    number = file.rpartition("/")[2][:4]
    (shop.path / file).write_text(
        f'"""Change something.\n\nRevision: {number}\n"""\n\n'
        "import sqlalchemy as sa\nfrom alembic import op\n\n"
        f'revision = "{number}"\ndown_revision = "{int(number) - 1:04}"\n{more}\n\n'
        f"def upgrade() -> None:\n    {operation}\n"
    )


def check(shop: Repository, base: str = "main") -> tuple[int, str]:
    done = shop.run(".venv/bin/python", "-m", "checks.migrations", base, check=False)
    assert "Traceback" not in done.stdout, done.stdout
    return done.returncode, done.stdout


def refused(shop: Repository, base: str = "main") -> str:
    code, printed = check(shop, base)
    assert code == 1, printed
    assert printed.startswith(f"{FOLDER}/"), printed
    return printed


def executed(sql: str) -> str:
    return f"op.execute({sql!r})"


ITEMS = 'sa.table("items", sa.column("name"), schema="catalog")'
ACCEPTED = [
    'op.add_column("items", sa.Column("note", sa.String()), schema="catalog")',
    'op.add_column("items", sa.Column("n", sa.Integer(), server_default="0", nullable=False),'
    ' schema="catalog")',
    'op.create_table("more", sa.Column("id", sa.Uuid(), primary_key=True), schema="catalog")\n'
    '    op.create_index("ix_more", "more", ["id"], schema="catalog")',
    CONCURRENTLY,
    'op.create_check_constraint("ck", "items", "name <> \'\'", schema="catalog",'
    " postgresql_not_valid=True)",
    "op.execute(\"UPDATE catalog.items SET name = 'x' WHERE name IS NULL\")",
    *map(
        executed,
        [
            "ALTER TABLE catalog.items ADD COLUMN v int GENERATED ALWAYS AS (length(name)) VIRTUAL",
            "ALTER TABLE catalog.items ADD COLUMN w int GENERATED ALWAYS AS (length(name))",
            "ALTER TABLE catalog.items ADD CONSTRAINT n NOT NULL note NOT VALID",
            "ALTER TABLE catalog.items ADD CONSTRAINT c CHECK (name <> '') NOT ENFORCED",
            "ALTER TABLE catalog.other VALIDATE CONSTRAINT earlier",
            "ALTER TABLE catalog.items ENABLE TRIGGER t",
            "CREATE TABLE catalog.p PARTITION OF catalog.parted FOR VALUES IN (1)",
            "CREATE TABLE catalog.fresh AS SELECT 1 AS n; UPDATE catalog.fresh SET n = 2; "
            "ALTER TABLE catalog.fresh SET UNLOGGED; TRUNCATE catalog.fresh; CLUSTER catalog.fresh",
            "CREATE TABLE catalog.booked (r int4range, EXCLUDE USING gist (r WITH &&))",
            "DELETE FROM catalog.items WHERE name = 'gone'",
            "UPDATE catalog.items SET name = o.name FROM catalog.other o WHERE o.id = items.id",
            "UPDATE catalog.items SET name = 'x' WHERE id IN (SELECT id FROM catalog.other)",
            "LOCK TABLE catalog.items IN ROW EXCLUSIVE MODE",
            "CREATE TABLE catalog.hooked (a int); CREATE TRIGGER t BEFORE INSERT ON catalog.hooked "
            "EXECUTE FUNCTION catalog.f(); DROP TRIGGER t ON catalog.hooked",
            "CREATE RULE r AS ON INSERT TO catalog.items DO ALSO NOTHING",
            "SELECT 1 FROM catalog.items WHERE name = 'x' FOR UPDATE",
            "UPDATE catalog.items SET name = 'x' WHERE id IN "
            "(SELECT max(id::text)::uuid FROM catalog.items GROUP BY name)",
            "DELETE FROM catalog.items a USING catalog.items b WHERE a.name = b.name AND a.id < b.id",
            "MERGE INTO catalog.items i USING catalog.other o ON o.id = i.id "
            "WHEN MATCHED THEN UPDATE SET name = 'x'",
            "SELECT setval('catalog.numbers', 5)",
            "SELECT 1 FROM catalog.items LIMIT 5 FOR UPDATE SKIP LOCKED",
            "ALTER TABLE catalog.items ADD COLUMN k int CHECK (k > 0) NOT ENFORCED",
            "COMMENT ON TABLE catalog.items IS 'x' -- a comment; at the end",
            "REFRESH MATERIALIZED VIEW CONCURRENTLY catalog.v",
            "VACUUM catalog.items",
            "REVOKE ALL ON FUNCTION catalog.f() FROM PUBLIC",
        ],
    ),
    f"op.execute({ITEMS}.update().values(name='x').where(sa.text('name IS NULL')))",
]
REFUSED = [
    (
        'op.create_index("ix_name", "items", ["name"], schema="catalog")',
        "require-concurrent-index-creation",
        "autocommit_block(): op.create_index(…, if_not_exists=True",
    ),
    (
        'op.drop_index("ix_name", "items", schema="catalog")',
        "require-concurrent-index-deletion",
        "autocommit_block(): op.drop_index(…, if_exists=True",
    ),
    (
        'op.create_index("ix_name", "items", ["name"], schema="catalog",'
        " if_not_exists=True, postgresql_concurrently=True)",
        "ban-concurrent-index-creation-in-transaction",
        "outside any transaction",
    ),
    (
        'op.drop_column("items", "name", schema="catalog")',
        "ban-drop-column",
        "drop it in the next one",
    ),
    ('op.drop_table("items", schema="catalog")', "ban-drop-table", "drop it in the next one"),
    (
        'op.alter_column("items", "name", new_column_name="title", schema="catalog")',
        "renaming-column",
        "Expand and contract",
    ),
    (
        'op.rename_table("items", "things", schema="catalog")',
        "renaming-table",
        "Expand and contract",
    ),
    (
        'op.alter_column("items", "name", type_=sa.Text(), schema="catalog")',
        "changing-column-type",
        "Expand and contract",
    ),
    (
        'op.alter_column("items", "name", nullable=False, schema="catalog")',
        "adding-not-nullable-field",
        "as not valid",
    ),
    (
        'op.add_column("items", sa.Column("n", sa.Integer(), nullable=False), schema="catalog")',
        "adding-required-field",
        "`server_default`",
    ),
    (
        'op.create_unique_constraint("uq", "items", ["name"], schema="catalog")',
        "disallowed-unique-constraint",
        "CONCURRENTLY",
    ),
    (
        'op.create_check_constraint("ck", "items", "true", schema="catalog")',
        "constraint-missing-not-valid",
        "VALIDATE CONSTRAINT",
    ),
    (
        "for _ in op.get_bind().execute(sa.text('SELECT 1')):\n        pass",
        "needs-database",
        "Say it in SQL, with op.execute",
    ),
    (f"op.execute({ITEMS}.update().values(name='x'))", "updating-every-row", "Let a job do it"),
    (
        'op.add_column("items", sa.Column("n", sa.Integer()), schema="catalog")\n'
        '    op.execute("UPDATE catalog.items SET n = 1 WHERE n IS NULL")',
        "updating-every-row",
        "Let a job do it",
    ),
    (f"op.execute({ITEMS}.delete())", "emptying-table", "The release that runs relies on it."),
    (
        'for name in ("items",):\n        op.execute(f"TRUNCATE catalog.{name}")  # sql: our own list',
        "emptying-table",
        "The release that runs relies on it.",
    ),
    *(
        (executed(sql.format("catalog.items")), rule, remedy)
        for sql, rule, remedy in [
            (
                "ALTER TABLE {} SET UNLOGGED",
                "rewriting-table",
                "empties it whenever Postgres crashes",
            ),
            ("ALTER TABLE {} SET LOGGED", "rewriting-table", "let a job copy what is there"),
            ("ALTER TABLE {} SET TABLESPACE fast", "rewriting-table", "SET TABLESPACE writes"),
            ("ALTER TABLE {} SET ACCESS METHOD columnar", "rewriting-table", "Make a new table"),
            ("ALTER TABLE {} ALTER COLUMN v SET EXPRESSION AS (1)", "rewriting-table", "anew"),
            ("ALTER TABLE {} ADD COLUMN n bigserial", "rewriting-table", "counts by itself"),
            ("CLUSTER {} USING pk_items", "rewriting-table", "CLUSTER writes"),
            ("VACUUM (FULL) {}", "rewriting-table", "VACUUM FULL writes"),
            ("LOCK TABLE {}", "locking-table", "Leave it out"),
            ("LOCK TABLE {} IN SHARE MODE", "locking-table", "Leave it out"),
            ("TRUNCATE {}", "emptying-table", "Deploy one that does not"),
            ("DELETE FROM {}", "emptying-table", "Deploy one that does not"),
            ("DELETE FROM {} WHERE true", "emptying-table", "Deploy one that does not"),
            ("WITH d AS (DELETE FROM {} RETURNING 1) SELECT 1", "emptying-table", "every row"),
            ("UPDATE {} SET name = 'x'", "updating-every-row", "a batch in each transaction"),
            ("UPDATE {} SET name = 'x' WHERE 1 = 1", "updating-every-row", "Let a job do it"),
            ("UPDATE {} SET name = 'x' WHERE id = id", "updating-every-row", "Let a job do it"),
            ("UPDATE {} SET name = 'x' WHERE NOT false OR id = 1", "updating-every-row", "a job"),
            (
                "UPDATE {0} SET name = 'x' WHERE id IN (SELECT id FROM {0})",
                "updating-every-row",
                "a job",
            ),
            (
                "UPDATE {0} i SET name = o.n FROM {0} o WHERE o.id = i.id",
                "updating-every-row",
                "a job",
            ),
            ("WITH u AS (UPDATE {} SET n = 1 RETURNING 1) SELECT 1", "updating-every-row", "a job"),
            (
                "MERGE INTO {} USING (SELECT 1) s ON true WHEN MATCHED THEN UPDATE SET name = 'x'",
                "updating-every-row",
                "MERGE changes",
            ),
            (
                "MERGE INTO {} i USING catalog.other o ON o.id = i.id "
                "WHEN NOT MATCHED BY SOURCE THEN DELETE",
                "updating-every-row",
                "MERGE changes",
            ),
            ("SELECT {}_fill()", "hidden-in-a-body", "catalog.items_fill does. Write"),
            ("CALL {}_fill()", "hidden-in-a-body", "catalog.items_fill does. Write"),
            (
                "UPDATE {} SET name = 'x' WHERE random() < 2",
                "updating-every-row",
                "Let a job do it",
            ),
            ("ALTER TABLE {} ATTACH PARTITION catalog.p DEFAULT", "attaching-partition", "CHECK"),
            ("ALTER TABLE {} DISABLE TRIGGER ALL", "disabling-trigger", "Deploy one that does not"),
            ("ALTER TABLE {} DISABLE TRIGGER t", "disabling-trigger", "Deploy one that does not"),
            ("ALTER TABLE {} ENABLE ROW LEVEL SECURITY", "enabling-row-security", "the policies"),
            ("ALTER TABLE {} FORCE ROW LEVEL SECURITY", "enabling-row-security", "the policies"),
            ("DROP TRIGGER t ON {}", "disabling-trigger", "DROP TRIGGER takes away"),
            ("DROP RULE r ON {}", "disabling-trigger", "DROP RULE takes away"),
            ("DROP POLICY p ON {}", "disabling-trigger", "DROP POLICY takes away"),
            (
                "CREATE RULE r AS ON INSERT TO {} DO INSTEAD NOTHING",
                "replacing-statements",
                "Deploy one that does not",
            ),
            ("SELECT 1 FROM {} FOR UPDATE", "locking-rows", "a batch in each transaction"),
            ("SELECT 1 FROM {} WHERE true FOR SHARE", "locking-rows", "Let a job do it"),
            (
                "ALTER TABLE {} ADD COLUMN n int CHECK (n > 0)",
                "constraint-missing-not-valid",
                "then the constraint as NOT VALID",
            ),
            (
                "ALTER TABLE {} SET UNLOGGED -- it is small",
                "rewriting-table",
                "SET UNLOGGED writes",
            ),
            ("REFRESH MATERIALIZED VIEW {}", "refreshing-view", "CONCURRENTLY"),
            ("DO $$ BEGIN UPDATE {} SET name = 'x'; END $$", "hidden-in-a-body", "one by one"),
            ("REINDEX TABLE {}", "require-concurrent-reindex", "concurrently"),
            (
                "ALTER TABLE {} ADD COLUMN u uuid DEFAULT gen_random_uuid()",
                "adding-field-with-default",
                "",
            ),
            (
                "ALTER TABLE {} ADD COLUMN s int GENERATED ALWAYS AS (1) STORED",
                "adding-field-with-default",
                "",
            ),
            (
                "ALTER TABLE {} ADD CONSTRAINT e EXCLUDE USING gist (r WITH &&)",
                "adding-exclusion-constraint",
                "Postgres knows no NOT VALID for it",
            ),
            (
                "ALTER TABLE {} ADD PRIMARY KEY (id)",
                "adding-serial-primary-key-field",
                "USING INDEX",
            ),
        ]
    ),
]
FOREIGN = [
    (executed("GRANT SELECT ON ALL TABLES IN SCHEMA catalog TO PUBLIC"), "uses GRANT, but what"),
    (
        'op.execute("SELECT 1 -- a comment")\n    op.execute("GRANT SELECT ON catalog.items TO PUBLIC")',
        "uses GRANT, but what",
    ),
    (executed("CREATE TEMP TABLE t (a int)"), "uses TEMP without ON COMMIT DROP, which lasts"),
    (executed("SELECT pg_advisory_lock(1)"), "uses pg_advisory_lock (take pg_advisory_xact_lock)"),
    (
        'for what in ("GRANT",):\n        op.execute(what + " SELECT ON catalog.items TO x")'
        "  # sql: our own list",
        "uses GRANT, but what",
    ),
    (
        'for role in ("ordering",):\n        op.execute(f"SET ROLE {role}")  # sql: our own list',
        "uses SET ROLE, but the platform alone",
    ),
    (
        'for name in ("ordering",):\n        op.execute(f"DELETE FROM {name}.items WHERE id = 1")'
        "  # sql: our own list",
        "touches the schema ordering",
    ),
]


@pytest.fixture(scope="module")
def said(migrated: Repository) -> Mapping[str, list[str]]:
    """What is said of each of these operations, when all are migrations, one after the other."""
    operations = [*ACCEPTED, *(each[0] for each in (*REFUSED, *FOREIGN))]
    files = {
        operation: f"{FOLDER}/{number:04}_operation.py"
        for number, operation in enumerate(operations, 2)
    }
    for operation, file in files.items():
        write(migrated, operation, file=file)
    lines = check(migrated)[1].splitlines()
    migrated.git("clean", "-dfq")
    assert lines[-1].startswith("To allow one")
    return {
        operation: [line.removeprefix(f"{file}:1: ") for line in lines if line.startswith(file)]
        for operation, file in files.items()
    }


@pytest.mark.parametrize("operation", ACCEPTED)
def test_what_only_adds_is_accepted(said: Mapping[str, list[str]], operation: str) -> None:
    assert said[operation] == []


@pytest.mark.parametrize(("operation", "rule", "remedy"), REFUSED)
def test_what_stops_or_breaks_the_running_release_is_refused(
    said: Mapping[str, list[str]], operation: str, rule: str, remedy: str
) -> None:
    assert any(each.startswith(f"{rule}: ") and remedy in each for each in said[operation])
    assert all("constraint-missing-not-valid" not in each for each in said[operation]) or (
        rule == "constraint-missing-not-valid"
    ), "what Postgres refuses is not advised"


@pytest.mark.parametrize(("operation", "says"), FOREIGN)
def test_what_reaches_out_of_the_schema_is_refused_however_it_is_put_together(
    said: Mapping[str, list[str]], operation: str, says: str
) -> None:
    assert any(each.startswith(says) for each in said[operation])


def test_each_of_several_is_named_with_its_own_file(shop: Repository) -> None:
    write(shop, 'op.add_column("items", sa.Column("a", sa.String()), schema="catalog")')
    write(
        shop,
        'op.drop_column("items", "a", schema="catalog")\n'
        '    op.drop_column("items", "name", schema="catalog")',
        file=f"{FOLDER}/0003_third.py",
    )
    lines = refused(shop).splitlines()
    assert [line.partition(":")[0] for line in lines[:-1]] == [f"{FOLDER}/0003_third.py"] * 2
    assert "DROP COLUMN a" in lines[0]
    assert "DROP COLUMN name" in lines[1]


def test_what_postgres_cannot_read_is_named_with_the_rest(shop: Repository) -> None:
    write(
        shop,
        'op.execute("ALTER TABEL catalog.items ADD x int")\n'
        '    op.execute("TRUNCATE catalog.items")\n    op.execute("GRANT a TO b")',
    )
    printed = refused(shop)
    assert f"{SECOND}:1: unreadable: Postgres cannot read this as SQL. In: ALTER TABEL" in printed
    assert f"{SECOND}:1: emptying-table: " in printed
    assert f"{SECOND}:1: uses GRANT ROLE" in printed


def test_a_table_that_is_new_may_be_indexed_by_the_next_migration(shop: Repository) -> None:
    write(
        shop,
        'op.create_table("more", sa.Column("id", sa.Uuid(), primary_key=True), schema="catalog")',
    )
    index = 'op.create_index("ix_more", "more", ["id"], schema="catalog")'
    write(shop, index, file=f"{FOLDER}/0003_third.py")
    assert check(shop) == (0, "")


def test_one_rule_is_allowed_with_a_reason(shop: Repository) -> None:
    drop = 'op.drop_column("items", "name", schema="catalog")'
    write(shop, drop, more='allowed = {"ban-drop-column": "No release since May reads it."}')
    assert check(shop) == (0, "")
    rename = f'{drop}\n    op.rename_table("items", "things", schema="catalog")'
    write(shop, rename, more='allowed = {"ban-drop-column": "No release since May reads it."}')
    assert "renaming-table" in refused(shop)
    assert "ban-drop-column" not in refused(shop)


@pytest.mark.parametrize(
    ("allowed", "said"),
    [
        ('{"ban-drop-column": ""}', "allows ban-drop-column without a reason"),
        ('{"ban-drop-column": "yes", "renaming-table": "yes"}', "allows renaming-table, which it"),
        ('["ban-drop-column"]', "allows what is no mapping"),
    ],
)
def test_an_allowance_is_needed_and_explained(shop: Repository, allowed: str, said: str) -> None:
    drop = 'op.drop_column("items", "name", schema="catalog")'
    write(shop, drop, more=f"allowed = {allowed}")
    assert said in refused(shop)


def test_a_migration_that_databases_have_run_stays_as_it_is(shop: Repository) -> None:
    shop.replace(FIRST, '"name", sa.String()', '"name", sa.Text()')
    assert f"{FIRST}:1: was changed, but databases may have run it" in refused(shop)
    (shop.path / FIRST).unlink()
    assert f"{FIRST}:1: was removed, but" in refused(shop)


def test_a_module_may_leave_as_a_whole(shop: Repository) -> None:
    shop.run("rm", "-r", "src/app/modules/ordering")
    assert check(shop) == (0, "")


def test_without_a_base_every_migration_is_read(shop: Repository) -> None:
    write(shop, 'op.drop_column("items", "name", schema="catalog")')
    shop.git("add", "--all")
    assert "ban-drop-column" in refused(shop, "")


def test_what_is_pushed_straight_to_main_is_read(shop: Repository) -> None:
    before = shop.git("rev-parse", "HEAD").strip()
    write(shop, 'op.drop_column("items", "name", schema="catalog")')
    shop.commit()
    try:
        assert check(shop, "main") == (0, "")
        assert "ban-drop-column" in refused(shop, before)
        for unknown in ("0" * 40, "1" * 40):
            code, printed = check(shop, unknown)
            assert code == 1
            assert f"The commit {unknown} is not here: everything counts as new." in printed
            assert f"{SECOND}:1: ban-drop-column" in printed
    finally:
        shop.git("reset", "--quiet", "--hard", before)


def test_a_folder_of_a_bigger_repository_is_read_as_well(shop: Repository, tmp_path: Path) -> None:
    """The paths that git tells begin at the top."""
    below = Repository(tmp_path / "folder" / "shop", shop.environment)
    for file in filter(None, shop.git("ls-files", "-z").split("\0")):
        (below.path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(shop.path / file, below.path / file)
    whole = Repository(tmp_path, shop.environment)
    whole.git("init", "--quiet", "--initial-branch", "main")
    whole.commit()
    whole.git("switch", "--quiet", "--create", "work")
    write(below, 'op.drop_column("items", "name", schema="catalog")')
    below.replace(FIRST, '"name", sa.String()', '"name", sa.Text()')
    whole.commit()
    python = str(shop.path / ".venv/bin/python")
    printed = below.run(python, "-m", "checks.migrations", "main", check=False).stdout
    assert f"{FIRST}:1: was changed, but databases may have run it" in printed
    assert f"{SECOND}:1: ban-drop-column" in printed


def test_a_team_may_leave_a_rule_out(shop: Repository) -> None:
    write(shop, 'op.drop_column("items", "name", schema="catalog")')
    shop.replace(".squawk.toml", "excluded_rules = [", 'excluded_rules = [\n    "ban-drop-column",')
    assert check(shop) == (0, "")


def test_what_is_accepted_is_what_a_database_takes(shop: Repository) -> None:
    """An index built beside the writes, outside the transaction, under the role of its module."""
    write(shop, CONCURRENTLY)
    shop.replace(
        "src/app/modules/catalog/tables.py",
        "    __table_args__ = (",
        '    __table_args__ = (\n        Index("ix_name", "name"),',
    )
    assert " passed" in shop.pytest("tests/test_architecture.py").stdout
