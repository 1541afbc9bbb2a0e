"""A module that is called from another process: what its interface may hold."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from threading import Event
from typing import Protocol
from uuid import UUID

from asyncpg import CharacterNotInRepertoireError
from sqlalchemy.exc import DBAPIError

from app.platform.database.database import Tx
from app.platform.database.reading import committed_ago, has_committed
from app.platform.errors import Conflict, NotFound
from app.platform.telemetry.context import current, get_request, get_user
from app.platform.timeouts import until
from app.platform.wiring.marks import idempotent


class Kind(StrEnum):
    CHARGE = "charge"
    REFUND = "refund"


@dataclass(frozen=True, slots=True)
class Entry:
    id: UUID
    kind: Kind
    amount: Decimal
    note: bytes = b""


class EntryNotFound(NotFound):
    """There is no such entry."""


class Declined(Conflict):
    """It would be too much."""

    def __init__(self, owner: str, left: int) -> None:
        super().__init__(f"{owner} has {left} left.")
        self.owner, self.left = owner, left


class Unstorable(DBAPIError):
    """As Postgres refuses a NUL in a text."""

    def __init__(self) -> None:
        adapted = Exception()
        adapted.__cause__ = CharacterNotInRepertoireError()
        super().__init__("", {}, adapted)


class Ledger(Protocol):
    async def book(self, entry: Entry, tags: Mapping[UUID, int] = {}) -> Entry:
        """Return what was booked."""

    async def charge(self, owner: str, amount: Decimal) -> None:
        """Raises Declined."""

    async def refund(self, tx: Tx, id: UUID) -> Entry:
        """Take an entry back."""

    @idempotent
    async def get(self, id: UUID) -> Entry:
        """Raises EntryNotFound."""

    @idempotent
    async def wait(self, seconds: float) -> Sequence[str]:
        """Return on whose behalf this was asked, after a while."""

    async def wait_once(self, seconds: float) -> float:
        """Return how many seconds were left."""

    async def write(self) -> float | None:
        """Commit something; return how many seconds ago the caller has."""

    async def fail(self) -> None:
        """Raise what no interface declares."""


class Service:
    """Counts its calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.ended = 0
        self.said: dict[str, object] = {}
        self.may_end = Event()
        """Nothing that waits ends before it is set."""
        self.may_end.set()

    async def book(self, entry: Entry, tags: Mapping[UUID, int] = {}) -> Entry:
        self.calls += 1
        return entry

    async def charge(self, owner: str, amount: Decimal) -> None:
        self.calls += 1
        if "\0" in owner:
            raise Unstorable
        raise Declined(owner, 7)

    async def refund(self, tx: Tx, id: UUID) -> Entry:
        raise NotImplementedError

    async def get(self, id: UUID) -> Entry:
        self.calls += 1
        raise EntryNotFound(f"There is no entry {id}.")

    async def wait(self, seconds: float) -> Sequence[str]:
        self.calls += 1
        await self._wait(seconds)
        self.said = current()
        self.ended += 1
        return [str(get_request()), str(get_user())]

    async def wait_once(self, seconds: float) -> float:
        self.calls += 1
        await self._wait(seconds)
        self.ended += 1
        return until.get() - asyncio.get_running_loop().time()

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        while not self.may_end.is_set():
            await asyncio.sleep(0.005)

    async def write(self) -> float | None:
        ago = committed_ago()
        has_committed()
        return ago

    async def fail(self) -> None:
        self.calls += 1
        raise RuntimeError("of the ledger alone")
