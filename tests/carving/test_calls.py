"""Plants: each line that ends in a comment is named by the bill, for that; no other line is."""

import re

import pytest

from scaffold.carving.changes import changes

HEAD = """
import asyncio
from functools import partial
from typing import Protocol
from app.platform.database import Database, Tx
from app.modules.billing import Billing, Declined
"""
CLASS = (
    HEAD
    + """
class Service:
    def __init__(self, db: Database, billing: Billing, other: "Other") -> None:
        self._db, self._billing = db, billing
        self._other = other
"""
)
PLANTS = {
    "a transaction of its own does more": """
    async def place(self, id):
        async with self._db.transaction() as tx:
            tx.add(id)
            await self._billing.charge(tx, id)  # lost
        await self._billing.get(id)
""",
    "a transaction is given": """
    async def place(self, tx: Tx, id):
        return await self._billing.balance(tx, id)  # lost
""",
    "it is named by keyword, and awaited later": """
    async def place(self, tx: Tx, id):
        coming = self._billing.charge(id=id, tx=tx)  # lost
        await coming
""",
    "a call is all that its transaction does": """
    async def place(self, id):
        entry = await self._billing.get(id)
        async with self._db.transaction() as tx:
            return await self._billing.charge(tx, entry.id)  # alone
""",
    "what follows in the block may undo it": """
    async def place(self, id):
        async with self._db.transaction() as tx:
            entry = await self._billing.charge(tx, id)  # lost
            if not entry:
                raise Declined
""",
    "two calls in one block": """
    async def place(self, id):
        async with self._db.transaction() as tx:
            await self._billing.charge(tx, id)  # lost
            await self._billing.hold(tx, id)  # lost
""",
    "all of a loop or nothing": """
    async def place(self, ids):
        async with self._db.transaction() as tx:
            for id in ids:
                await self._billing.charge(tx, id)  # lost loop
""",
    "a block for each": """
    async def place(self, ids):
        for id in ids:
            async with self._db.transaction() as tx:
                await self._billing.charge(tx, id)  # alone loop
""",
    "a method is handed on": """
    async def place(self, tx: Tx, id):
        pay = partial(self._billing.charge, tx)  # lost
        await pay(id)
""",
    "a method has another name": """
    async def place(self, tx: Tx, id):
        pay = self._billing.charge
        await pay(tx, id)  # lost
""",
    "a method is named by a text": """
    async def place(self, tx: Tx, id):
        await getattr(self._billing, "charge")(tx, id)  # lost
""",
    "the interface has another name": """
    async def place(self, tx: Tx, id):
        ledger = self._billing
        await ledger.charge(tx, id)  # lost
""",
    "a branch leaves it empty": """
    async def place(self, tx: Tx, id):
        if id:
            ledger = self._billing
        else:
            ledger = None
        await ledger.charge(tx, id)  # lost
""",
    "something else has a method of that name": """
    async def place(self, tx: Tx, id):
        await self._other.charge(tx, id)
        await charge(tx, id)

class Other:
    async def charge(self, tx: Tx, id) -> None: ...

async def charge(tx: Tx, id): ...
""",
    "nobody says what it is": """
    async def place(self, tx: Tx, id, ledger):
        await ledger.charge(tx, id)  # perhaps
        await ledger.get(id)
        await ledger.charge(id)
""",
    "a Protocol of one's own": """
    async def place(self, tx: Tx, id, ledger: "Charges"):
        await ledger.charge(tx, id)  # perhaps

class Charges(Protocol):
    async def charge(self, tx: Tx, id) -> None: ...
""",
    "without a transaction inside of one": """
    async def place(self, id):
        async with self._db.transaction() as tx:
            tx.add(id)
            await self._billing.get(id)  # inside
        async with self._db.read() as reading:
            await self._billing.get(id)  # inside
        await self._billing.get(id)
""",
    "loops": """
    async def show(self, ids):
        for id in ids:
            await self._billing.get(id)  # loop
        [await self._billing.get(id) for id in ids]  # loop
        await asyncio.gather(*(self._billing.get(id) for id in ids))  # loop
        await asyncio.gather(*map(self._billing.get, ids))  # loop
        while await self._billing.get(ids):  # loop
            pass
""",
    "what a loop runs through": """
    async def show(self, ids):
        for entry in await self._billing.get_all(ids):
            print(entry)
        [entry for entry in await self._billing.get_all(ids)]
        async for entry in self._billing.stream():
            print(entry)
        else:
            await self._billing.get(ids)
        await asyncio.gather(self._billing.get(ids), self._billing.get(ids))
""",
    "a loop around a helper": """
    async def show(self, ids):
        return [await self._one(id) for id in ids]

    async def _one(self, id):
        return await _ask(self._billing, id)

    async def _alone(self, id):
        return await self._billing.get(id)

async def _ask(billing: Billing, id):
    return await billing.get(id)  # loop
""",
    "a closure, a default, a union and a text": """
    def routes(self, billing: "Billing | None", db: Database):
        async def place(id):
            async with db.transaction() as tx:
                tx.add(id)
                await billing.charge(tx, id)  # lost
""",
}


def marked(text: str) -> set[tuple[int, str]]:
    found = set()
    for number, line in enumerate(text.splitlines(), 1):
        if comment := re.search(r"  # (lost|alone|perhaps|inside|loop)( loop)?$", line):
            found |= {(number, word) for word in comment[0].split()[1:]}
    return found


def named(bill, file: str = "src/app/modules/ordering/service.py") -> set[tuple[int, str]]:
    kinds = {
        "lost": [each for each in bill.atomic if each.certain],
        "alone": bill.alone,
        "perhaps": [each for each in bill.calls if not each.certain],
        "inside": bill.inside,
        "loop": bill.chatty,
    }
    return {
        (each.place.line, kind)
        for kind, calls in kinds.items()
        for each in calls
        if each.place.file == file
    }


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS)
def test_the_bill_names_the_calls_that_break_and_no_others(bill, plant):
    text = CLASS + plant
    found = bill({"ordering/service.py": text})
    assert named(found) == marked(text)
    assert bool(changes(found)) == bool(marked(text))


HOLDERS = {
    "a module": ("from app.modules import billing\n", "billing.Billing"),
    "a package": ("import app.modules.billing\n", "app.modules.billing.Billing"),
    "another name": ("import app.modules.billing as b\n", "b.Billing"),
    "a relative import": ("from ..billing import Billing as Ledger\n", "Ledger"),
    "an alias": ("from app.modules.billing import Billing\nLedger = Billing\n", "Ledger"),
    "for checkers only": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
        "    from app.modules.billing import Billing\n",
        "'Billing'",
    ),
    "a file that passes it on": ("from .needs import Billing\n", "Billing"),
    "a file that passes everything on": ("from .everything import *\n", "Billing"),
}


@pytest.mark.parametrize(("imports", "kind"), HOLDERS.values(), ids=HOLDERS)
def test_however_the_interface_was_imported(bill, imports, kind):
    text = (
        "from app.platform.database import Tx\n"
        f"{imports}async def pay(tx: Tx, ledger: {kind}, id):\n"
        "    await ledger.charge(tx, id)  # lost\n"
    )
    files = {
        "ordering/service.py": text,
        "ordering/needs.py": "from app.modules.billing import Billing\n",
        "ordering/everything.py": "from app.modules.billing import *\n",
    }
    assert named(bill(files)) == marked(text)


def test_however_the_interface_is_held(bill):
    text = (
        HEAD
        + """
from dataclasses import dataclass
from typing import Annotated, cast

@dataclass
class Needs:
    ledger: Annotated[Billing, "injected"]

class Base:
    def __init__(self, needs: Needs) -> None:
        self.needs = needs

    @property
    def ledger(self) -> Billing:
        return self.needs.ledger

class Service(Base):
    async def place(self, tx: Tx, id, wired, given: Billing | None = None):
        await self.needs.ledger.charge(tx, id)  # lost
        await self.ledger.charge(tx, id)  # lost
        await ledger_of(self).charge(tx, id)  # lost
        await cast(Billing, wired).charge(tx, id)  # lost
        await wired[Billing].charge(tx, id)  # lost
        await (given or self.ledger).charge(tx, id)  # lost
        if (found := self.ledger):
            await found.charge(tx, id)  # lost

def ledger_of(service: Base) -> Billing: ...
"""
    )
    assert named(bill({"ordering/service.py": text})) == marked(text)


def test_the_module_itself_is_no_caller_and_tests_of_others_are_told_apart(bill):
    text = HEAD + "async def pay(tx: Tx, billing: Billing, id):\n    await billing.charge(tx, id)\n"
    found = bill({"billing/routes.py": text, "ordering/tests/test_pay.py": text})
    assert found.calls == []
    assert [each.place.line for each in found.tests] == [8]
    assert found.unused == ["charge", "balance", "hold"]
    assert changes(found) == []


def test_code_that_is_no_modules_counts_and_is_named_by_its_file(bill):
    text = HEAD + "async def pay(tx: Tx, wired, id):\n    await wired[Billing].charge(tx, id)\n"
    (call,) = bill({"../cli_pay.py": text}).calls
    assert call.caller == "src/app/cli_pay.py"


def test_what_a_method_does_with_the_transaction_is_told(bill):
    text = CLASS + (
        "    async def place(self, tx: Tx, id):\n"
        "        await self._billing.charge(tx, id)\n"
        "        await self._billing.balance(tx, id)\n"
        "        await self._billing.hold(tx, id)\n"
    )
    found = bill({"ordering/service.py": text})
    assert {method: str(does) for (_, method), does in found.effects.items()} == {
        "charge": "writes and enqueues remind and publishes Charged",
        "balance": "only reads",
        "hold": "locks rows",
    }
    told = found.effects["billing", "charge"].told
    assert [(each.file.rpartition("/")[2], each.line) for each in told] == [
        ("service.py", 12),
        ("service.py", 16),
    ]
    advice = [each.sentence for each in changes(found)]
    assert "say what undoes it" in advice[0]
    assert "before the block" in advice[1]
    assert "can be taken back" in advice[2]


def test_calls_of_the_module_with_its_own_transaction_break_as_well_and_close_a_circle(bill):
    out = (
        "from app.platform.database import Tx\nfrom app.modules.catalog import Catalog\n"
        "async def book(tx: Tx, catalog: Catalog):\n    await catalog.reserve(tx)  # lost\n"
    )
    catalog = {
        "catalog/__init__.py": "from typing import Protocol\nfrom app.platform.database import Tx\n"
        "class Catalog(Protocol):\n    async def reserve(self, tx: Tx) -> None: ...\n",
        "catalog/module.toml": 'owner = "@acme/sales"\n',
        "catalog/wiring.py": "from . import Catalog\ndef build(db) -> Catalog:\n    return Made(db)\n",
    }
    found = bill({"billing/book.py": out, **catalog})
    assert named(found, "src/app/modules/billing/book.py") == marked(out)
    assert not found.in_a_circle
    back = CLASS + "    async def show(self, id):\n        await self._billing.get(id)\n"
    found = bill({"billing/book.py": out, "ordering/service.py": back, **catalog})
    assert found.in_a_circle
    assert (found.needs, found.needed_by) == ({"catalog": "calls"}, {"ordering": "calls"})
    assert "catalog.reserve into an event that billing hears" in changes(found)[-1].sentence


WITH, OWN = "tx: Tx, ", "db: Database, "
GET = "    await billing.get(order)\n"


@pytest.mark.parametrize(
    ("declared", "first", "body", "is_told"),
    [
        ("jobs=[jobs.settle]", WITH, GET, True),
        ("jobs=(jobs.settle,)", WITH, "    await billing.charge(tx, order)\n", True),
        ("subscriptions={Placed: jobs.settle}", WITH, GET, True),
        ("subscriptions=HEARD", WITH, GET, True),
        ("jobs=[jobs.other]", WITH, GET, False),
        ("jobs=[jobs.settle]", OWN, f"    async with db.read():\n    {GET}", False),
        ("jobs=[jobs.settle]", OWN, GET, None),
    ],
)
def test_a_job_that_takes_a_transaction_is_told_to_take_none(bill, declared, first, body, is_told):
    found = bill(
        {
            "ordering/jobs.py": f"{HEAD}async def settle({first}order, billing: Billing):\n{body}",
            "ordering/wiring.py": "from . import Ordering, jobs\nfrom .service import Service\n"
            "HEARD = {Placed: jobs.settle}\ndef build(db) -> Ordering:\n    return Service(db)\n"
            f"module = Module(build, {declared})\n",
            "ordering/service.py": "class Service: ...\n",
        }
    )
    told = ["A job or handler that begins with its" in each.sentence for each in changes(found)]
    assert told == ([] if is_told is None else [is_told])
