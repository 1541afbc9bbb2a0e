"""Tables and migrations agree, or it is said; and what differs is written, for a real database."""

import importlib
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from alembic import command
from sqlalchemy import Connection

from app.development.autogenerate import make_migration, missing_migrations
from app.development.database import with_database
from app.platform.database.roles import MigrationError
from app.platform.migrations.histories import as_owner, config_of
from app.platform.migrations.migrations import admin_connection, migrate
from app.platform.wiring.discovery import discover

from .. import modules
from ..leaving import drop

LOGIN = "app_test"
HEAD = """
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from app.platform.database.tables import NAMING
from sqlalchemy import *
from sqlalchemy.dialects.postgresql import ARRAY, CITEXT, DOMAIN, ExcludeConstraint, JSONB, Range
from sqlalchemy.dialects.postgresql import TSTZRANGE
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    metadata = MetaData(schema="odd", naming_convention=NAMING)

"""
BEFORE = '''
class Status(StrEnum):
    NEW = "new"
    DONE = "it's done"


class Size(StrEnum):
    S = "S"


class Named:
    """A mixin."""

    name: Mapped[str] = mapped_column(String(50), comment="what it's called:\\n  {name}")


class Room(Named, Base):
    __tablename__ = "rooms"
    __table_args__ = (
        CheckConstraint("price >= 0", name="price"),
        CheckConstraint("name <> 'a\\n b' OR price < 9", name="lines"),
        ExcludeConstraint(("number", "="), ("during", "&&"), name="once"),
        Index("ix_open", "name", unique=True, postgresql_where=text("status = 'NEW'")),
        Index(f"ix_{'o' * 57}_a", "price"),
        Index(f"ix_{'o' * 57}_b", "number"),
        Index("ix_lower_new", "number", "price"),
        Index("ix_lower", text("lower(name) DESC"), postgresql_include=["price"]),
        Index("ix_ops", "name", postgresql_ops={"name": "text_pattern_ops"}),
        UniqueConstraint("number", "name", name="uq_number", postgresql_nulls_not_distinct=True),
        {"comment": "where one sleeps"},
    )
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    status: Mapped[Status] = mapped_column(server_default="NEW")
    sizes: Mapped[list[Size] | None] = mapped_column(ARRAY(Enum(Size)))
    email: Mapped[str | None] = mapped_column(CITEXT)
    number: Mapped[int | None]
    during: Mapped[Range[datetime] | None] = mapped_column(TSTZRANGE)
    price: Mapped[Decimal] = mapped_column(Numeric(8, 2))
    code: Mapped[str | None] = mapped_column(
        DOMAIN("code", String(20), check="VALUE <> ''", constraint_name="code_check")
    )
    turn: Mapped[int | None] = mapped_column(Sequence("turns"))
    ticket: Mapped[str] = mapped_column(
        server_default=func.concat("T", Sequence("tickets").next_value())
    )
    state: Mapped[str | None] = mapped_column(
        DOMAIN("a_state", DOMAIN("any_state", ARRAY(Enum("open", "shut", name="state"))))
    )
    twice: Mapped[int | None] = mapped_column(Computed("number * 2", persisted=True))
    fourfold: Mapped[int | None] = mapped_column(Computed("number * 4", persisted=True))
    about: Mapped[dict[str, int]] = mapped_column(JSONB, server_default='{"a":1}')
    colour: Mapped[str | None] = mapped_column(
        Enum("red", "blue", native_enum=False, create_constraint=True, name="colour")
    )


class Key(Base):
    __tablename__ = "keys"
    id: Mapped[int] = mapped_column(primary_key=True)
    room_id: Mapped[int] = mapped_column(ForeignKey(Room.id), index=True)
    status: Mapped[Status]
    lost: Mapped[bool] = mapped_column(Boolean(create_constraint=True, name="lost"))
    made_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    order: Mapped[int] = mapped_column(server_default="0")
    text: Mapped[str] = mapped_column(server_default="a\\n  b \\"\\"\\" it's :c: \\\\:d :e")
'''
CHANGES = {
    'NEW = "new"': 'NEW = "new"\n    PAID = "paid"',
    '"it\'s done"': '"it\'s done"\n    LATE = "late"',
    "String(50)": "String(60)",
    "it's called:\\n  {name}": "it says:\\n  :{name}: :say",
    "a\\n  b": "a\\r\\n\\n    b",
    "price < 9": "price < 8",
    'Computed("number * 4", persisted=True)': "",
    "price >= 0": "price > 1",
    '("during", "&&")': '("during", "-|-")',
    "status = 'NEW'": "status <> 'NEW'",
    '_a", "price")': '_a", "price", "id")',
    '_b", "number")': '_b", "number", "id")',
    '["price"]': '["price", "number"]',
    '"text_pattern_ops"': '"varchar_pattern_ops"',
    "distinct=True": "distinct=False",
    "where one sleeps": "where one's guests sleep",
    "[str | None] = mapped_column(CITEXT)": "[str] = mapped_column(CITEXT, unique=True)",
    "Numeric(8, 2)": "Numeric(10, 2)",
    "VALUE <> ''": "length(VALUE) > 3",
    "number * 2": "number * 3",
    '"open", "shut"': '"open", "ajar", "shut"',
    '{"a":1}': '{"a":2}',
    '"red", "blue"': '"red", "green"',
    "ForeignKey(Room.id)": 'ForeignKey(Room.id, ondelete="CASCADE")',
    "[bool] =": "[bool | None] =",
    'server_default="0"': 'server_default="1"',
    "    made_at": "    note: Mapped[str | None]\n    made_at",
}
"""One of each kind."""


class Odd:
    """A module of its own, with nothing in it but tables and migrations."""

    def __init__(self, path: Path, admin_url: str, url: str) -> None:
        self._package, self._path = f"odd_{uuid4().hex}", path
        self._admin_url, self.url = admin_url, url
        self.doubts: list[str] = []
        self.folder = replace(
            discover(modules)[0],
            name="odd",
            package=self._package,
            path=path / self._package,
            extensions=["citext", "btree_gist"],
        )
        (self.folder.path / "migrations").mkdir(parents=True)
        (self.folder.path / "__init__.py").touch()

    def says(self, tables: str) -> None:
        """Write its tables, in place of those that it had."""
        for name in [name for name in sys.modules if name.startswith(self._package)]:
            del sys.modules[name]
        (self.folder.path / "tables.py").write_text(HEAD + tables)
        importlib.invalidate_caches()

    async def makes(self, *, by_hand: bool = False) -> list[str]:
        """Write what is missing, as `app make-migration` does; return the SQL and what is left."""
        folders = [self.folder]
        done = await make_migration(
            self._admin_url, folders, self.folder, "change", by_hand=by_hand
        )
        self.doubts = done.doubts
        return ["\n".join(path.read_text() for path in done.files), *done.left]

    def migration(self, *statements: str) -> None:
        """Write one by hand."""
        older = sorted(each.stem for each in (self.folder.path / "migrations").glob("*.py"))
        (self.folder.path / f"migrations/{len(older):04}.py").write_text(
            f"from alembic import op\nrevision = '{len(older):04}'\n"
            f"down_revision = {older[-1] if older else None!r}\n"
            f"def upgrade():\n    [op.execute(each) for each in {statements!r}]\n"
        )

    def count(self) -> int:
        """Return how many migrations there are."""
        return len([*(self.folder.path / "migrations").glob("*.py")])

    async def differs(self) -> list[str]:
        """Migrate the database, and return how it differs from what the tables say."""
        await migrate(self.url, LOGIN, [self.folder])
        return (await missing_migrations(self.url, LOGIN, [self.folder])).get("odd", [])

    async def goes_back(self, steps: int) -> None:
        def run(connection: Connection) -> None:
            with as_owner(connection, f"{LOGIN}__odd__owner"):
                command.downgrade(config_of(self.folder, connection), f"-{steps}")

        async with admin_connection(self.url) as connection:
            await connection.run_sync(run)


@pytest.fixture
async def odd(
    tmp_path: Path, admin_url: str, login_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Odd]:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    name = f"test_{uuid4().hex}"
    admin = await asyncpg.connect(admin_url)
    await admin.execute(f"CREATE DATABASE {name}")
    await admin.close()
    yield Odd(tmp_path, admin_url, with_database(admin_url, name))
    await drop(admin_url, name)


async def test_of_everything_that_tables_say_comes_a_migration_and_another_of_each_change(
    odd: Odd,
) -> None:
    odd.says(BEFORE)
    await odd.makes()
    assert await odd.differs() == []
    with pytest.raises(MigrationError, match="nothing to write"):
        await odd.makes()

    after = BEFORE
    for old, new in CHANGES.items():
        assert old in after, old
        after = after.replace(old, new, 1)
    odd.says(after)
    differences = await odd.differs()
    assert len(differences) == len(CHANGES), "\n".join(differences)
    written = (await odd.makes())[0]
    assert "ADD VALUE IF NOT EXISTS 'PAID' AFTER 'NEW'" in written
    assert "ALTER COLUMN fourfold DROP EXPRESSION" in written
    assert await odd.differs() == []

    await odd.goes_back(2)
    odd.says(BEFORE)
    left = await missing_migrations(odd.url, LOGIN, [odd.folder])
    assert [each.partition(":")[0] for each in left["odd"]] == ["enum state", "enum status"]
    odd.says(after)
    assert await odd.differs() == []


SOME = """
class Room(Base):
    __tablename__ = "rooms"
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    status: Mapped[str | None] = mapped_column(String(20))
    number: Mapped[int | None]
    price: Mapped[Decimal] = mapped_column(Numeric(8, 2))
"""
"""A part of what BEFORE says, and one column of another type."""


@pytest.mark.parametrize(
    ("first", "second"),
    [(BEFORE, SOME), (SOME, BEFORE), (BEFORE, ""), ("", BEFORE)],
    ids=["some goes", "some comes", "all goes", "all comes"],
)
async def test_what_comes_and_goes_can_be_taken_back_and_done_again(
    odd: Odd, first: str, second: str
) -> None:
    if first:
        odd.says(first)
        await odd.makes()
        assert await odd.differs() == []
    before = odd.count()
    odd.says(second)
    await odd.makes(by_hand=True)  # No string becomes an enum by itself.
    told = await odd.differs()
    assert {each.partition(":")[0] for each in told} <= {
        "column rooms.status",
        "index rooms.ix_open",
    }
    await odd.goes_back(odd.count() - before)
    odd.says(first)
    assert await missing_migrations(odd.url, LOGIN, [odd.folder]) == {}
    odd.says(second)
    assert await odd.differs() == told


async def test_on_rows_a_change_waits_for_no_second_migration(odd: Odd) -> None:
    """What is built beside the writes can be begun again after rows were in the way."""
    odd.says(BEFORE)
    await odd.makes()
    await odd.differs()
    admin = await asyncpg.connect(odd.url)
    row = "INSERT INTO odd.rooms (name, number, price) VALUES ('a', 1, 0)"
    await admin.execute(f"SET ROLE {LOGIN}__odd__owner; {row}")
    odd.says(
        BEFORE.replace("price >= 0", "price > 0").replace("[int | None]\n", "[int]\n")
        + '    __table_args__ = (UniqueConstraint("status"),)\n'
    )
    await odd.makes()
    for _ in range(2):
        with pytest.raises(MigrationError, match="ck_rooms_price"):
            await odd.differs()
    await admin.execute("UPDATE odd.rooms SET price = 1")
    assert await odd.differs() == []
    await admin.close()


async def test_what_may_be_a_new_name_is_told_where_the_migration_is_read(odd: Odd) -> None:
    odd.says(CLASS.format(t="ones", T="One") + CLASS.format(t="twos", T="Two"))
    await odd.makes()
    odd.says(
        CLASS.format(t="ones", T="One").replace("    s:", "    title:").replace("    n:", "    b:")
        + CLASS.format(t="others", T="Other")
        + "class Fresh(Base):\n    __tablename__ = 'fresh'\n    s: Mapped[str] = mapped_column("
        "primary_key=True)\n"
    )
    [written], doubts = await odd.makes(), odd.doubts
    for name, new in (("column ones.n", "b"), ("column ones.s", "title"), ("table twos", "others")):
        [said] = [each for each in doubts if each.startswith(f"{name} goes with all that it holds")]
        assert f", while {new} of the same" in said
        assert said in re.sub(r"\n *# ?", " ", written)
    assert len(doubts) == 3, doubts
    assert await odd.differs() == []
    odd.says(CLASS.format(t="ones", T="One").replace("    s: Mapped[str", "    s: Mapped[int"))
    await odd.makes()
    assert len(odd.doubts) == 1, odd.doubts
    assert (
        "column ones.b goes with all that it holds, while n and s of the same type" in odd.doubts[0]
    )


TABLE = "CREATE TABLE odd.{t} (id serial, n int, s varchar, CONSTRAINT pk_{t} PRIMARY KEY (id))"
CLASS = """
class {T}(Base):
    __tablename__ = "{t}"
    id: Mapped[int] = mapped_column(primary_key=True)
    n: Mapped[int | None]
    s: Mapped[str | None]
"""
ARGS = "    __table_args__ = ({},)\n"
POSITIVE = ARGS.format('CheckConstraint("n > 0", name="n")')

DIFFERENT = [
    ("", "ALTER TABLE odd.{t} RENAME CONSTRAINT pk_{t} TO pk", "constraint {t}.pk: .*PRIMARY KEY"),
    ("", "ALTER TABLE odd.{t} ADD CHECK (n > 0)", "constraint {t}.{t}_n_check: .* says none"),
    ("", "ALTER TABLE odd.{t} ALTER id DROP DEFAULT", "column {t}.id: .* `integer NOT NULL`"),
    ("", "ALTER TABLE odd.{t} ALTER id TYPE bigint", "column {t}.id: .* `bigint DEFAULT nextval"),
    ("", "ALTER TABLE odd.{t} SET (fillfactor = 70)", "table {t}: .*fillfactor=70"),
    ("", "ALTER TABLE odd.{t} SET UNLOGGED", "table {t}: the migrations make `UNLOGGED`"),
    ("", "ALTER TABLE odd.{t} ALTER n SET DEFAULT 1", "column {t}.n: .*`integer DEFAULT 1`"),
    ("", "ALTER TABLE odd.{t} ALTER s TYPE varchar(9)", "column {t}.s: .*character varying.9"),
    ("", "COMMENT ON TABLE odd.{t} IS 'x'", "table {t}: the migrations comment `x`"),
    ("", "CREATE INDEX ON odd.{t} (n)", "index {t}.{t}_n_idx: .* says none"),
    ("", "CREATE TYPE odd.kind AS ENUM ('a')", "enum kind: the migrations make `'a'`"),
    ("", "CREATE SEQUENCE odd.numbers", "sequence numbers: the migrations make it"),
    ("", "CREATE TABLE odd.more ()", "table more: the migrations make it"),
    (
        POSITIVE,
        "ALTER TABLE odd.{t} ADD CONSTRAINT ck_{t}_n CHECK (n > 0) NOT VALID",
        "constraint {t}.ck_{t}_n: .* NOT VALID`, but tables.py says `CHECK .*0..`[.]",
    ),
    (
        "    c: Mapped[str | None]\n",
        'ALTER TABLE odd.{t} ADD c varchar COLLATE "C"',
        'column {t}.c: .*character varying COLLATE pg_catalog."C"',
    ),
    (
        "    at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))\n",
        "ALTER TABLE odd.{t} ADD at timestamp",
        "column {t}.at: .*timestamp without time zone",
    ),
    (
        '    g: Mapped[int | None] = mapped_column(Computed("n * 2", persisted=True))\n',
        "ALTER TABLE odd.{t} ADD g int",
        "column {t}.g: .*make `integer`, .*GENERATED ALWAYS AS .* STORED",
    ),
    (
        ARGS.format('Index("ix_{t}", "n", postgresql_where=text("n > 0"))'),
        "CREATE INDEX ix_{t} ON odd.{t} (n)",
        "index {t}.ix_{t}: .*tables.py says .* WHERE .n > 0",
    ),
    (
        ARGS.format('Index("ix_{t}", "n", postgresql_include=["s"])'),
        "CREATE INDEX ix_{t} ON odd.{t} (n)",
        "index {t}.ix_{t}: .*tables.py says .* INCLUDE .s",
    ),
    (
        ARGS.format('UniqueConstraint("n", deferrable=True)'),
        "ALTER TABLE odd.{t} ADD CONSTRAINT uq_{t}_n UNIQUE (n)",
        "constraint {t}.uq_{t}_n: .*tables.py says .* DEFERRABLE",
    ),
]
"""What tables.py says, what a migration does, and what of that is said."""
SAME = [
    ("", "CREATE VIEW odd.looks AS SELECT 1"),
    ("", "CREATE FUNCTION odd.fits(n int) RETURNS bool IMMUTABLE LANGUAGE SQL AS 'SELECT n > 0'"),
    (POSITIVE, "ALTER TABLE odd.{t} ADD CONSTRAINT ck_{t}_n CHECK ((n) > 0::int)"),
    (
        ARGS.format('CheckConstraint("odd.fits(n)", name="n")'),
        "ALTER TABLE odd.{t} ADD CONSTRAINT ck_{t}_n CHECK (odd.fits(n))",
    ),
    (
        ARGS.format("""CheckConstraint("s IN ('a', 'b')", name="s")"""),
        "ALTER TABLE odd.{t} ADD CONSTRAINT ck_{t}_s CHECK "
        "(s::text = ANY (ARRAY['a'::varchar::text, 'b'::varchar::text]))",
    ),
    (
        ARGS.format('CheckConstraint("n > 0", name="n", postgresql_not_valid=True)'),
        "ALTER TABLE odd.{t} ADD CONSTRAINT ck_{t}_n CHECK (n > 0) NOT VALID",
    ),
]


async def test_what_differs_is_said_in_a_sentence(odd: Odd) -> None:
    tables = [f"t{number}" for number in range(len(DIFFERENT))]
    classes = [
        CLASS.format(t=t, T=t.upper()) + says.format(t=t)
        for t, (says, _, _) in zip(tables, DIFFERENT, strict=True)
    ]
    odd.says("".join(classes))
    for t, (_, migration, _) in zip(tables, DIFFERENT, strict=True):
        odd.migration(TABLE.format(t=t), migration.format(t=t))
    found = await odd.differs()
    for t, (_, _, sentence) in zip(tables, DIFFERENT, strict=True):
        assert any(re.match(sentence.format(t=t), each) for each in found), (sentence, found)
    assert len(found) == len(DIFFERENT) + 3, found  # A name that is not there, two sequences.


async def test_what_is_the_same_in_other_words_does_not_differ(odd: Odd) -> None:
    tables = [f"t{number}" for number in range(len(SAME))]
    odd.says(
        "".join(
            CLASS.format(t=t, T=t.upper()) + says.format(t=t)
            for t, (says, _) in zip(tables, SAME, strict=True)
        )
    )
    for t, (_, migration) in zip(tables, SAME, strict=True):
        odd.migration(TABLE.format(t=t), migration.format(t=t))
    assert await odd.differs() == []
    with pytest.raises(MigrationError, match="nothing to write"):
        await odd.makes()


async def test_what_cannot_be_written_is_named_with_what_to_do(odd: Odd) -> None:
    odd.says(
        "class Kind(StrEnum):\n    A = 'a'\n    B = 'b'\n\n"
        + CLASS.format(t="ones", T="One")
        + "    kind: Mapped[Kind]\n"
        + '    g: Mapped[int] = mapped_column(Computed("n * 2", persisted=True))\n'
    )
    await odd.makes()
    odd.says(
        "class Kind(StrEnum):\n    A = 'a'\n\n"
        + CLASS.format(t="ones", T="One").replace("s: Mapped[str", "s: Mapped[bool")
        + "    kind: Mapped[Kind]\n    more: Mapped[int | None]\n"
        + "    g: Mapped[int] = mapped_column(Identity())\n"
    )
    with pytest.raises(MigrationError) as refused:
        await odd.makes()
    said = str(refused.value)
    assert "enum kind: the migrations make `'A', 'B'`, but tables.py says `'A'`. Postgres" in said
    assert "Keep 'B' in the enum, and once no release that runs writes it any more, refuse" in said
    assert 'column "s" cannot be cast automatically to type boolean' in said
    assert "What it has generated would be lost: add a column of another name" in said
    assert "--by-hand" in said
    [written, *left] = await odd.makes(by_hand=True)
    assert "ADD COLUMN more integer" in written
    assert "COLUMN g" not in written
    assert len(left) == 4
