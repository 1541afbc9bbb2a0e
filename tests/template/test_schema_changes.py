"""What `tables.py` says reaches the database, by `make-migration`: rules, enums, extensions, twice.

The server's admin is no superuser, as on a managed one.
"""

import asyncio
import re

import asyncpg
import pytest
from generated import Generate, Repository
from running import in_production

pytestmark = pytest.mark.slow

CATALOG = "src/app/modules/catalog"
TABLES = f"{CATALOG}/tables.py"
IMPORTS = """\
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, func, Index, MetaData, text, UniqueConstraint
from sqlalchemy.dialects.postgresql import CITEXT, ExcludeConstraint, Range, TSTZRANGE
"""
ROW = """\
class Status(StrEnum):
    FREE = "free"
    LET = "let"


class ItemRow(Base):
    __tablename__ = "items"
    __table_args__ = (
        UniqueConstraint("owner", "name"),
        Index("ix_items_owner_id", "owner", "id"),
        CheckConstraint("beds > 0", name="beds"),
        ExcludeConstraint(("room", "="), ("during", "&&"), name="once"),
        Index("ix_free", "room", unique=True, postgresql_where=text("status = 'FREE'")),
    )

    beds: Mapped[int] = mapped_column(server_default="1")
    room: Mapped[int | None]
    during: Mapped[Range[datetime] | None] = mapped_column(TSTZRANGE)
    status: Mapped[Status] = mapped_column(server_default="FREE")
    guest: Mapped[str | None] = mapped_column(CITEXT)
"""
SECOND = {
    '    LET = "let"': '    KEPT = "kept"\n    LET = "let"',
    "beds > 0": "beds BETWEEN 1 AND 9",
    '("during", "&&")': '("during", "&&"), where=text("status <> \'FREE\'")',
    "text(\"status = 'FREE'\")": "text(\"status = 'FREE' AND beds > 1\")",
    "mapped_column(CITEXT)": "mapped_column(CITEXT, unique=True)",
    "    name: Mapped[str]\n": "    name: Mapped[str] = mapped_column(String(80))\n",
    "MetaData, text": "MetaData, String, text",
}
TEST = """\
from datetime import datetime, UTC

import pytest
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.exc import IntegrityError

from app.platform.database import Database

from ..tables import ItemRow, Status

NIGHTS = Range(datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 1, 3, tzinfo=UTC))


async def test_a_row_is_found_by_its_enum_and_in_either_case(db: Database) -> None:
    async with db.transaction() as tx:
        tx.add(ItemRow(owner="me", name="a", room=1, status=Status.LET, guest="Ada"))
    async with db.read() as reading:
        found = select(ItemRow).where(ItemRow.status == Status.LET, ItemRow.guest == "aDA")
        assert (await reading.scalars(found)).one().status is Status.LET


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        ("ck_items_beds", {"beds": 0}),
        ("once", {"room": 1, "during": NIGHTS, "status": Status.LET}),
        ("ix_free", {"room": 2, "beds": 2, "status": Status.FREE}),
    ],
)
async def test_what_breaks_a_rule_is_refused(
    db: Database, rule: str, values: dict[str, object]
) -> None:
    async with db.transaction() as tx:
        tx.add(ItemRow(owner="me", name="a", room=1, during=NIGHTS, status=Status.LET))
        tx.add(ItemRow(owner="me", name="b", room=2, beds=2))
    with pytest.raises(IntegrityError, match=rule):
        async with db.transaction() as tx:
            tx.add(ItemRow(owner="me", name="c", **values))
"""


def allow(shop: Repository, base: str) -> list[str]:
    """Write into new migrations why what they do is safe, where `make migrations` asks for that."""
    said = shop.make("migrations", f"base={base}", check=False)
    rules: dict[str, list[str]] = {}
    for file, rule in re.findall(r"^(\S+\.py):1: ([a-z-]+): ", said, re.MULTILINE):
        rules.setdefault(file, []).append(rule)
    for file, found in rules.items():
        reasons = ", ".join(f'"{rule}": "The table is small."' for rule in sorted(set(found)))
        text = shop.read(file).replace("\n\n\ndef upgrade", "\nallowed = {}\n\n\ndef upgrade", 1)
        before, _, behind = text.partition("allowed = {")  # Those that it was written with.
        behind = behind.replace("\nallowed = {}\n", "\n")
        (shop.path / file).write_text(f"{before}allowed = {{{reasons}, {behind}")
    shop.make("format")
    return sorted({rule for found in rules.values() for rule in found})


@pytest.fixture(scope="module")
def shop(generate: Generate) -> Repository:
    return generate()


def test_what_tables_say_reaches_every_database_and_so_does_what_they_say_next(
    shop: Repository, postgres: str
) -> None:
    production = in_production(shop, postgres)
    assert asyncio.run(rows(production)) == []
    shop.replace(
        f"{CATALOG}/module.toml", "depends_on", 'extensions = ["citext", "btree_gist"]\ndepends_on'
    )
    head, body = shop.read(TABLES).split("from sqlalchemy.orm")
    text = f"{head.partition('from datetime')[0]}{IMPORTS}from sqlalchemy.orm{body}"
    row = re.search(r"class ItemRow.*?\n\n", text, re.DOTALL)
    assert row
    (shop.path / TABLES).write_text(text.replace(row[0], ROW))
    (shop.path / CATALOG / "tests/test_rules.py").write_text(TEST)

    failed = shop.pytest("tests/test_architecture.py", check=False).stdout
    assert (
        "column items.guest: the migrations make none, but tables.py says `extensions.cit" in failed
    )
    assert "constraint items.once: the migrations make none, but tables.py says `EXCLUDE" in failed
    shop.run(".venv/bin/app", "make-migration", "catalog", "let rooms")
    # EXCLUDE stops who writes while its index is built; Postgres knows no other way.
    assert len(allow(shop, "main")) == 1
    assert " passed" in shop.make("check", "base=main")
    shop.commit()
    assert "applied catalog" in production.run(".venv/bin/app", "migrate").stdout
    asyncio.run(insert(production))

    for old, new in SECOND.items():
        shop.replace(TABLES, old, new)
    shop.make("format")
    shop.run(".venv/bin/app", "make-migration", "catalog", "let more rooms")
    allow(shop, "HEAD")
    shop.make("sql", "migrations", "base=HEAD")
    assert " passed" in shop.pytest("tests/test_architecture.py", CATALOG).stdout
    assert production.run(".venv/bin/app", "migrate").stdout.count("applied catalog") == 2
    assert asyncio.run(rows(production)) == [("a", "Ada", "LET")]
    assert production.run(".venv/bin/app", "migrate").stdout == "Nothing to do.\n"


async def insert(production: Repository) -> None:
    login, name = await connect(production)
    async with login.transaction():
        await login.execute(f"SET LOCAL ROLE {name}__catalog; SET LOCAL search_path = extensions")
        await login.execute(
            "INSERT INTO catalog.items (owner, id, name, status, guest) "
            "VALUES ('me', gen_random_uuid(), 'a', 'LET', 'Ada')"
        )
    await login.close()


async def rows(production: Repository) -> list[tuple[str, ...]]:
    login, name = await connect(production)
    async with login.transaction():
        await login.execute(f"SET LOCAL ROLE {name}__catalog")
        found = await login.fetch("SELECT to_jsonb(items) FROM catalog.items")
    await login.close()
    return [tuple(re.findall(r'"(?:name|status|guest)": "(\w+)"', row[0])) for row in found]


async def connect(production: Repository) -> tuple[asyncpg.Connection, str]:
    login = await asyncpg.connect(production.environment["DATABASE_URL"])
    return login, await login.fetchval("SELECT current_user")
