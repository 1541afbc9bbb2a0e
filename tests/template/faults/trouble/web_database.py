"""Routes that speak to the database at the wrong time."""

import asyncio
from collections.abc import Awaitable, Callable

from app.platform.database import Database, Prepared, Tx
from fastapi import APIRouter
from sqlalchemy import Column, MetaData, String, Table, literal, select, text

from .jobs import Note, note

ONE = text("SELECT 1")
NOTES = Table("notes", MetaData(schema="trouble"), Column("words", String))
PREPARED = Prepared(select(literal(1)))


class Gate:
    """Where handlers wait, until the test has done something to them."""

    def __init__(self) -> None:
        self.waiting = 0
        self._open = asyncio.Event()

    async def __call__(self) -> None:
        self.waiting += 1
        try:
            await self._open.wait()
        finally:
            self.waiting -= 1

    def open(self) -> None:
        self._open.set()
        self._open = asyncio.Event()


gate = Gate()


async def statement(tx: Tx) -> None:
    await tx.execute(ONE)
    await gate()
    await tx.execute(ONE)


async def first_statement(tx: Tx) -> None:
    await gate()
    await tx.execute(ONE)


async def other_module(tx: Tx) -> None:
    await tx.execute(ONE)
    await gate()
    await note.enqueue(tx, Note("other module", 3600))


async def stream(tx: Tx) -> None:
    rows = await tx.stream(text("SELECT generate_series(1, 1000)"))
    await gate()
    async for _row in rows:
        pass


async def copy(tx: Tx) -> None:
    await tx.execute(ONE)
    await gate()
    await tx.copy_records(NOTES, [("copied",)])


async def crowded(tx: Tx) -> None:
    for number in range(150):  # More than a connection keeps prepared.
        await tx.execute(text(f"SELECT {number}"))
    await gate()
    await tx.execute(text("SELECT 150"))


async def savepoint(tx: Tx) -> None:
    await tx.execute(ONE)
    await gate()
    async with tx.savepoint():
        await tx.execute(ONE)


async def in_savepoint(tx: Tx) -> None:
    async with tx.savepoint():
        await statement(tx)


async def in_nested_savepoints(tx: Tx) -> None:
    async with tx.savepoint():
        await tx.execute(ONE)
        async with tx.savepoint():
            await statement(tx)


async def other_module_in_savepoint(tx: Tx) -> None:
    async with tx.savepoint():
        await other_module(tx)


async def copy_in_savepoint(tx: Tx) -> None:
    async with tx.savepoint():
        await copy(tx)


async def stream_in_savepoint(tx: Tx) -> None:
    async with tx.savepoint():
        await stream(tx)


async def release(tx: Tx) -> None:
    async with tx.savepoint():
        await tx.execute(ONE)
        await gate()


async def roll_back_to(tx: Tx) -> None:
    try:
        async with tx.savepoint():
            await tx.execute(ONE)
            await gate()
            raise LookupError
    except LookupError:
        await tx.execute(ONE)


async def caught_around_savepoint(tx: Tx) -> None:
    try:
        async with tx.savepoint():
            await statement(tx)
    except Exception:
        await tx.execute(ONE)


async def commit(tx: Tx) -> None:
    await tx.execute(ONE)
    await gate()


WAYS: dict[str, Callable[[Tx], Awaitable[None]]] = {
    way.__name__: way
    for way in (
        statement,
        first_statement,
        other_module,
        stream,
        copy,
        crowded,
        savepoint,
        in_savepoint,
        in_nested_savepoints,
        other_module_in_savepoint,
        copy_in_savepoint,
        stream_in_savepoint,
        release,
        roll_back_to,
        caught_around_savepoint,
        commit,
    )
}


async def read(db: Database) -> None:
    async with db.read() as reading:
        await reading.scalar(ONE)
        await gate()
        await reading.scalar(ONE)


async def fetch(db: Database) -> None:
    await gate()
    await db.fetch(PREPARED)


async def second_transaction(db: Database) -> None:
    async with db.transaction() as tx:
        await tx.execute(ONE)
    await gate()
    async with db.transaction() as tx:
        await tx.execute(ONE)


PAST_A_TX = {way.__name__: way for way in (read, fetch, second_transaction)}

FAILING = {
    "limit": text("SELECT pg_sleep(600)"),
    "40001": text("SELECT trouble.fail('40001')"),
    "40P01": text("SELECT trouble.fail('40P01')"),
    "57014": text("SELECT trouble.fail('57014')"),
    "deadline": text("SELECT pg_sleep(0.2)"),
}


def routes(db: Database) -> APIRouter:
    router = APIRouter()

    @router.get("/one")
    async def one() -> int:
        """One SELECT."""
        async with db.transaction() as tx:
            return int(await tx.scalar(ONE))

    @router.get("/wait/{way}")
    async def wait(way: str) -> None:
        """Wait for the gate to open, somewhere."""
        if way in PAST_A_TX:
            await PAST_A_TX[way](db)
            return
        async with db.transaction() as tx:
            await WAYS[way](tx)

    @router.get("/waiting")
    async def waiting() -> int:
        """How many wait at the gate."""
        return gate.waiting

    @router.post("/go")
    async def go() -> None:
        """Open the gate."""
        gate.open()

    @router.get("/fail/{how}/{where}")
    async def fail(how: str, where: str) -> None:
        """Send what fails, in so many savepoints."""
        async with db.transaction() as tx:
            await _fail(tx, how, {"plain": 0, "savepoint": 1, "nested": 2}[where])

    return router


async def _fail(tx: Tx, how: str, depth: int) -> None:
    if depth:
        async with tx.savepoint():
            await _fail(tx, how, depth - 1)
    else:
        for _ in range(1000 if how == "deadline" else 1):
            await tx.execute(FAILING[how])
