"""What crosses beside calls, and what goes with a module."""

import pytest

from scaffold.carving.changes import changes

M = "src/app/modules"


def test_events_that_others_hear_are_told_with_where_they_are_published(bill):
    wiring = (
        "from app.modules.billing import Charged, Billing\nfrom app.platform.wiring import Module\n"
        "from . import Ordering\nfrom .service import Service\n"
        "def build(db, billing: Billing) -> Ordering:\n    return Service(db, billing)\n"
        "heard = {Charged: ship}\nmodule = Module(build, subscriptions=heard)\n"
    )
    service = (
        "from app.platform.database import Tx\nfrom app.modules.billing import Billing\n"
        "class Service:\n    def __init__(self, db, billing: Billing):\n"
        "        self.billing = billing\n"
        "    async def place(self, tx: Tx):\n        await self.billing.charge(tx, 1)\n"
    )
    found = bill({"ordering/wiring.py": wiring, "ordering/service.py": service})
    (event,) = found.events
    assert (event.event, event.hearer, event.place.line) == ("Charged", "ordering", 7)
    assert [(at.file, at.line) for at in event.published] == [(f"{M}/billing/service.py", 16)]
    (change,) = changes(found)
    assert "Others may hear of it before its caller commits" in change.sentence


def test_events_of_others_that_it_hears_break_nothing(bill):
    files = {
        "identity/__init__.py": "from typing import Protocol\nfrom app.platform.jobs import Event\n"
        "class Registered(Event): ...\nclass Identity(Protocol): ...\n",
        "identity/module.toml": 'owner = "@a/b"\n',
        "identity/wiring.py": "from . import Identity\ndef build(db) -> Identity:\n    return I(db)\n",
        "identity/service.py": "from . import Registered\nasync def register(tx, events):\n"
        "    event = Registered()\n    await events.publish(tx, event)\n",
        "billing/wiring.py": "from app.modules import identity\nfrom . import Billing\n"
        "from .service import BillingService\n"
        "def build(db, events) -> Billing:\n    return BillingService(db, events)\n"
        "module = Module(build, subscriptions={identity.Registered: welcome})\n",
    }
    found = bill(files)
    (event,) = found.events
    assert (event.publisher, event.hearer, event.place.line) == ("identity", "billing", 6)
    assert [at.line for at in event.published] == [4]
    assert changes(found) == []


@pytest.mark.parametrize(
    ("file", "text", "lines"),
    [
        (
            "ordering/service.py",
            "from app.modules.billing.jobs import remind\n"
            "async def place(tx):\n    await remind.enqueue(tx, 1)\n",
            {1: "imports app.modules.billing.jobs.remind", 3: "enqueues billing.remind"},
        ),
        (
            "ordering/service.py",
            'from sqlalchemy import text\nquery = text("SELECT id FROM billing.entries")\n'
            'word = "billing.entries_of"\n',
            {2: "SQL, or a key: billing.entries"},
        ),
        ("ordering/service.py", "from app.modules.billing import Entry, Billing\n", {}),
        ("billing/handlers.py", "from .jobs import remind\nremind.enqueue(1)\n", {}),
        ("ordering/jobs.py", "ship = 1\nship.enqueue(2)\n", {}),
    ],
)
def test_what_reaches_past_the_interface_is_named(bill, file, text, lines):
    tables = {"billing/tables.py": 'class Entry:\n    __tablename__ = "entries"\n'}
    found = bill({file: text, **tables})
    told = {each.line: each.what for each in (*found.past, *found.jobs)}
    assert told == lines
    assert len(changes(found)) == len(lines)


MIGRATION = """
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

def upgrade():
    op.create_table("good", sa.Column("id", sa.Uuid(), nullable=False), sa.PrimaryKeyConstraint("id"))
    op.create_table("counted", sa.Column("id", sa.Integer()), sa.Column("at", sa.DateTime(), server_default="now()"), sa.PrimaryKeyConstraint("id"))
    op.create_table("given", sa.Column("id", sa.BigInteger(), autoincrement=False, primary_key=True))
    op.create_table("linked", sa.Column("id", sa.Integer(), sa.ForeignKey("good.id"), primary_key=True))
    op.create_table("pair", sa.Column("a", sa.Integer(), primary_key=True), sa.Column("b", sa.Integer(), primary_key=True))
    op.create_table("numbered", sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True))
    op.create_table("keyless", sa.Column("a", sa.Text()), sa.Column("sum", sa.Integer(), sa.Computed("a + 1")))
    op.create_table("mended", sa.Column("a", sa.Text()))
    op.create_primary_key("pk", "mended", ["a"])
    op.create_table("blobs", sa.Column("id", sa.Uuid(), primary_key=True), sa.Column("content", postgresql.OID()))
    op.create_table("quick", sa.Column("id", sa.Uuid(), primary_key=True), prefixes=["UNLOGGED"])
    op.create_table("gone", sa.Column("a", sa.Text()))
    op.drop_table("gone")
    op.execute("CREATE SEQUENCE numbers")
    op.execute(sa.text("ALTER TABLE good ADD total int GENERATED ALWAYS AS (1) STORED"))

def downgrade():
    op.create_table("gone", sa.Column("a", sa.Text()))
"""


def test_tables_are_told_with_what_a_replication_leaves_behind(bill):
    found = bill({"billing/migrations/0001_a.py": MIGRATION})
    assert {each.name: each.lacks for each in found.tables} == {
        "(SQL)": ["a sequence (0001_a.py:20)"],
        "blobs": ["large objects (content)"],
        "counted": ["a sequence (id)"],
        "given": [],
        "good": ["a generated column (0001_a.py:21)"],
        "keyless": ["no primary key", "a generated column (sum)"],
        "linked": [],
        "mended": [],
        "numbered": ["a sequence (id)"],
        "pair": [],
        "quick": ["no log (UNLOGGED)"],
    }
    assert changes(found) == []


def test_caches_are_told_by_their_keys(bill):
    text = (
        'class S:\n    def __init__(self, cache):\n        self.c = cache.of("entry", E, ttl=5)\n'
    )
    assert bill({"billing/keeping.py": text}).caches == ["billing:entry"]
