"""A migration that would stop or break what runs is refused before it meets a database."""

from collections.abc import Iterator

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


@pytest.mark.parametrize(
    "operation",
    [
        'op.add_column("items", sa.Column("note", sa.String()), schema="catalog")',
        'op.add_column("items", sa.Column("n", sa.Integer(), server_default="0", nullable=False),'
        ' schema="catalog")',
        'op.create_table("more", sa.Column("id", sa.Uuid(), primary_key=True), schema="catalog")\n'
        '    op.create_index("ix_more", "more", ["id"], schema="catalog")',
        CONCURRENTLY,
        'op.create_check_constraint("ck", "items", "name <> \'\'", schema="catalog",'
        " postgresql_not_valid=True)",
        "op.execute(\"UPDATE catalog.items SET name = 'x' WHERE name IS NULL\")",
    ],
)
def test_what_only_adds_is_accepted(shop: Repository, operation: str) -> None:
    write(shop, operation)
    assert check(shop) == (0, "")


@pytest.mark.parametrize(
    ("operation", "rule", "remedy"),
    [
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
    ],
)
def test_what_stops_or_breaks_the_running_release_is_refused(
    shop: Repository, operation: str, rule: str, remedy: str
) -> None:
    write(shop, operation)
    said, hint = refused(shop).splitlines()
    assert said.startswith(f"{SECOND}:1: {rule}: "), said
    assert remedy in said
    assert hint.startswith("To allow one")


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


def test_a_team_may_leave_a_rule_out(shop: Repository) -> None:
    write(shop, 'op.drop_column("items", "name", schema="catalog")')
    shop.replace(".squawk.toml", "excluded_rules = [", 'excluded_rules = [\n    "ban-drop-column",')
    assert check(shop) == (0, "")


def test_what_is_accepted_is_what_a_database_takes(shop: Repository) -> None:
    """An index built beside the writes, outside the transaction, under the role of its module."""
    write(shop, CONCURRENTLY)
    tables = "src/app/modules/catalog/tables.py"
    shop.replace(
        tables, "class ItemRow(Base):", "class ItemRow(Base):\n    __table_args__ = (_IX,)"
    )
    shop.replace(
        tables,
        "class ItemRow",
        'from sqlalchemy import Index\n\n_IX = Index("ix_name", "name")\n\n\nclass ItemRow',
    )
    assert " passed" in shop.pytest("tests/test_architecture.py").stdout
