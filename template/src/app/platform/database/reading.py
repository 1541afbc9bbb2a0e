"""Reading: what a module sees of the database while it writes nothing, perhaps on the replica. It never
shows less than the same request has committed.
"""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from typing import Any, overload, TypeVar, TypeVarTuple

from sqlalchemy import CompoundSelect, Result, ScalarResult, Select, TextClause
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from starlette.types import ASGIApp, Receive, Scope, Send

from app.platform.database.errors import (
    BoundaryError,
    sqlstate_of,
    TransactionError,
    UnreachableError,
)
from app.platform.database.replica import Replica
from app.platform.database.roles import role_of, roles_of
from app.platform.database.speaking import speaking_on
from app.platform.telemetry import note_commit

logger = logging.getLogger("app.replica")

T = TypeVar("T")
Columns = TypeVarTuple("Columns")

_TOO_LONG = "57014"
"""The SQLSTATE of a statement that took too long: it would on the primary as well."""
_OF_DATABASE = (SQLAlchemyError, BoundaryError, UnreachableError)


class Reading:
    """An open read as one module sees it: queries under its role, in a transaction that is read only.

    Whatever a query returns is there as a whole. If the replica fails at the first one, it is put
    to the primary; later, the error is raised, since two servers do not show the same moment.
    """

    def __init__(self, module: str, primary: AsyncEngine, replica: Replica | None) -> None:
        self._module = module
        self._primary = primary
        self._replica = replica if is_recent(replica) else None
        self._task = asyncio.current_task()
        self._session: AsyncSession | None = None
        self._has_answered = False
        self.open = True

    async def get(self, kind: type[T], id: object) -> T | None:
        """Return the row with a primary key."""
        return await self._ask(lambda session: session.get(kind, id))

    @overload
    async def scalar(
        self, query: Select[T, *tuple[Any, ...]] | CompoundSelect[T, *tuple[Any, ...]]
    ) -> T | None: ...
    @overload
    async def scalar(self, query: TextClause) -> Any: ...
    async def scalar(self, query: Any) -> Any:
        """Return the first column of the first row, or None."""
        return await self._ask(lambda session: session.scalar(query))

    @overload
    async def scalars(
        self, query: Select[T, *tuple[Any, ...]] | CompoundSelect[T, *tuple[Any, ...]]
    ) -> ScalarResult[T]: ...
    @overload
    async def scalars(self, query: TextClause) -> ScalarResult[Any]: ...
    async def scalars(self, query: Any) -> Any:
        """Return the first column of each row."""
        return await self._ask(lambda session: session.scalars(query))

    @overload
    async def execute(
        self, query: Select[*Columns] | CompoundSelect[*Columns]
    ) -> Result[*Columns]: ...
    @overload
    async def execute(self, query: TextClause) -> Result[*tuple[Any, ...]]: ...
    async def execute(self, query: Any) -> Any:
        """Return the rows."""
        return await self._ask(lambda session: session.execute(query))

    async def _ask(self, ask: Callable[[AsyncSession], Awaitable[T]]) -> T:
        self._check_usable()
        try:
            answer = await ask(await self._connected())
        except BaseException as error:
            await self._disconnect()  # What is asked next gets a connection that works.
            if self._replica is None or not falls_back(self._replica, error, self._has_answered):
                raise
            self._replica = None
            return await self._ask(ask)
        self._has_answered = True
        return answer

    def _check_usable(self) -> None:
        if not self.open:
            raise TransactionError("This read is over: use it inside its `async with` block.")
        if asyncio.current_task() is not self._task:
            raise TransactionError(
                "A read belongs to the task that opened it: await its queries one after the other, "
                "or open one read per task."
            )

    async def _connected(self) -> AsyncSession:
        if self._session is None:
            engine = self._primary if self._replica is None else self._replica.engine
            session = AsyncSession(engine, autoflush=False)
            connection = await session.connection()
            role = role_of(roles_of(engine), self._module)
            assert connection.sync_connection is not None
            speaking = speaking_on(connection.sync_connection)
            speaking.speaker, speaking.read_only = role, True
            # Only now: without its connection, it would get itself one that nobody has prepared.
            self._session = session
        return self._session

    async def _disconnect(self) -> None:
        """Give the connection back. Nothing is lost with it, so that it may fail."""
        session, self._session = self._session, None
        if session is not None:
            with suppress(*_OF_DATABASE):
                # Shielded: a request that is given up must not leave its connection behind.
                await asyncio.shield(asyncio.ensure_future(session.close()))


@asynccontextmanager
async def open_reading(
    module: str, primary: AsyncEngine, replica: Replica | None
) -> AsyncIterator[Reading]:
    """Open a read of a module, on the replica where that is recent enough. It takes a connection
    with its first query."""
    reading = Reading(module, primary, replica)
    try:
        yield reading
        if reading._session is not None and reading._session.dirty:
            raise TransactionError(
                "What `db.read()` returned was changed, and would be lost: change it inside "
                "`db.transaction()`."
            )
    finally:
        reading.open = False
        await reading._disconnect()


class _Request:
    """What reads must know of the request, or whatever else they are part of."""

    def __init__(self, must_hold: float = -math.inf) -> None:
        self.must_hold = must_hold
        """The moment whose data reads have to show, on the monotonic clock."""


_request: ContextVar[_Request | None] = ContextVar("request", default=None)


def is_recent(replica: Replica | None) -> bool:
    """Say whether a read may go to the replica now: it holds what this request has written."""
    request = _request.get()
    return replica is not None and replica.holds(request.must_hold if request else -math.inf)


def falls_back(replica: Replica, error: BaseException, has_answered: bool = False) -> bool:
    """Take note of what a read of the replica raised, and say whether it is put to the primary: not
    where it took too long, or the replica `has_answered` in the same read."""
    if not isinstance(error, _OF_DATABASE):
        return False
    replica.has_failed(error)
    if has_answered or sqlstate_of(error) == _TOO_LONG:
        return False
    logger.warning("A read failed on the replica and goes to the primary: %s", error)
    return True


def has_committed() -> None:
    """Let the reads behind this in the same request see what was committed until now."""
    note_commit()
    request = _request.get()
    if request is None:
        _request.set(request := _Request())
    request.must_hold = max(request.must_hold, time.monotonic())


def committed_ago() -> float | None:
    """Return how many seconds ago was committed what reads of this request must see, if anything."""
    request = _request.get()
    if request is None or request.must_hold == -math.inf:
        return None
    return max(time.monotonic() - request.must_hold, 0)


def read_after(seconds: float) -> None:
    """Let the reads of this request see what another process has committed so many seconds ago."""
    _request.set(_Request(time.monotonic() - seconds))


@contextmanager
def reading_primary() -> Iterator[None]:
    """Let no read in the block go to the replica."""
    token = _request.set(_Request(math.inf))
    try:
        yield
    finally:
        _request.reset(token)


class ReadYourWrites:
    """Middleware: a request's reads see its own writes, in whichever of its tasks they were made."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = _request.set(_Request())
        try:
            await self._app(scope, receive, send)
        finally:
            _request.reset(token)
