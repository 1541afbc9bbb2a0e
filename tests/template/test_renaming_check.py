"""`python -m checks.renaming`: what the views of an old name do not carry, and the honest code beside it."""

import json
import shutil

import pytest
from generated import ROOT, Generate, Repository

PLANTS = {
    "service.py": """\
from sqlalchemy import func, Sequence, select, text
from .tables import Row

COPY = text("COPY planted.rows FROM STDIN")
KEY = text("INSERT INTO planted.rows (id) VALUES (:id) ON CONFLICT ON CONSTRAINT pk_rows DO NOTHING")
SYSTEM = text("SELECT id, xmin FROM planted.rows")
GROUP = text("SELECT id, name, count(*) FROM planted.rows GROUP BY id")
EMPTY = text("TRUNCATE planted.rows")
NUMBER = text("SELECT nextval('planted.numbers')")
FEE = text("SELECT planted.fee(amount) FROM planted.rows")
numbers = Sequence("numbers", schema="planted")
grouped = select(Row, func.count()).group_by(Row.id)


async def write(tx, insert):
    await tx.copy_records(Row, [])
    await tx.execute(insert.on_conflict_do_nothing(constraint="pk_rows"))
    await tx.execute(select(text("ctid")))
""",
    "migrations/0001_create.py": """\
import sqlalchemy as sa
from alembic import op


def upgrade() -> None:
    op.add_column("rows", sa.Column("state", sa.Enum("a", "b", name="state")), schema="planted")
    op.execute("CREATE TYPE planted.kind AS ENUM ('a')")
    op.execute("CREATE TYPE planted.span AS RANGE (subtype = int)")
    op.execute("CREATE FUNCTION planted.f() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    op.execute("CREATE POLICY p ON planted.rows TO shop__planted")
""",
}
HONEST = {
    "service.py": """\
from sqlalchemy import func, select, text
from .tables import Row

COPY = "copy planted.rows into the report"
KEY = text("INSERT INTO planted.rows (id) VALUES (:id) ON CONFLICT (id) DO UPDATE SET name = 'a'")
GROUP = text("SELECT r.id, name, count(*) FROM planted.rows AS r GROUP BY id, r.name")
LOCK = text("SELECT id FROM planted.rows WHERE id = :id FOR UPDATE SKIP LOCKED")
grouped = select(Row.id, func.count()).group_by(Row.id)


async def copy_names(tx, insert):
    await tx.execute(insert.on_conflict_do_nothing(index_elements=["id"]))
""",
    "migrations/0001_create.py": """\
import sqlalchemy as sa
from alembic import op


def upgrade() -> None:
    op.add_column("rows", sa.Column("state", sa.Enum("a", native_enum=False)), schema="planted")
    op.execute("TRUNCATE planted.rows")
    op.execute("CREATE FUNCTION planted.f() RETURNS int BEGIN ATOMIC SELECT 1; END")
    op.execute("CREATE POLICY p ON planted.rows USING (true)")
""",
    "tests/test_it.py": 'EMPTY = "TRUNCATE planted.rows"\n',
}


@pytest.fixture
def shop(generate: Generate) -> Repository:
    return generate()


def check(shop: Repository, module: str) -> tuple[int, list[dict[str, object]]]:
    command = (".venv/bin/python", "-m", "checks.renaming", module, "--json")
    ended = shop.run(*command, check=False)
    assert ended.returncode in (0, 1), ended.stdout
    return ended.returncode, json.loads(ended.stdout)


def plant(shop: Repository, files: dict[str, str]) -> None:
    folder = shop.path / "src/app/modules/planted"
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


def test_what_a_view_does_not_carry_is_named_with_its_line(shop: Repository) -> None:
    plant(shop, PLANTS)
    code, refused = check(shop, "planted")
    found = {(str(each["file"]).rpartition("/")[2], each["line"], each["kind"]) for each in refused}
    assert code == 1
    assert found == {
        *(
            ("service.py", 4, "copy"),
            ("service.py", 5, "constraint"),
            ("service.py", 6, "system column"),
        ),
        *(("service.py", 7, "group"), ("service.py", 8, "truncate"), ("service.py", 9, "sequence")),
        *(
            ("service.py", 10, "function"),
            ("service.py", 11, "sequence"),
            ("service.py", 12, "group"),
        ),
        *(
            ("service.py", 16, "copy"),
            ("service.py", 17, "constraint"),
            ("service.py", 18, "system column"),
        ),
        *(("0001_create.py", line, "enum") for line in (6, 7)),
        *(
            ("0001_create.py", 8, "range"),
            ("0001_create.py", 9, "body"),
            ("0001_create.py", 10, "role"),
        ),
    }


def test_honest_code_and_the_example_may_be_renamed(shop: Repository) -> None:
    plant(shop, HONEST)
    assert check(shop, "planted") == (0, [])
    plant(shop, {})
    for module in ("billing", "catalog", "identity", "ordering"):
        copy = shop.path / "src/app/modules" / module
        shutil.copytree(ROOT / "examples/shop" / module, copy, dirs_exist_ok=True)
        assert check(shop, module) == (0, []), module
