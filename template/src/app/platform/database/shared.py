"""What the views of all modules share of one transaction."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, nullcontext
from typing import Any, cast, TYPE_CHECKING

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import await_only

from app.platform.database.errors import TransactionError, UNDONE, UnreachableError
from app.platform.database.kept_connection import KeptConnection
from app.platform.database.roles import roles_of
from app.platform.database.speaking import Speaking, speaking_on

if TYPE_CHECKING:
    from app.platform.database.transaction import Tx

logger = logging.getLogger("app.database")

_GIVEN_UP = (
    "The transaction was undone when one of its statements was cancelled, by a time limit that was "
    "caught inside it, so nothing was committed: let the error out."
)
_LOST = "The connection was lost earlier in this transaction, so all of it is undone."


class Transaction:
    """What all views of one transaction share."""

    def __init__(self, engine: AsyncEngine, ended: AsyncExitStack) -> None:
        self.engine, self._ended = engine, ended
        self.connection: KeptConnection | None = None
        self.roles = roles_of(engine)
        self.open = True
        self.is_undone = False
        """Whether a method that joined it has failed; see `boundary`."""
        self.speaking = Speaking()
        self._task = asyncio.current_task()
        self.views: dict[str, Tx] = {}
        self.afterwards: list[Callable[[], Awaitable[None]]] = []

    def connect(self) -> Connection:
        """Return the connection, taken from the pool for the first statement and not before.

        Called by a session, thus inside SQLAlchemy's greenlet.
        """
        if self.connection is None:
            try:
                begun = await_only(self._ended.enter_async_context(self.engine.begin()))
            except BaseException:
                self.is_undone = True  # A session forgets what it could not write.
                raise
            self.connection = cast(KeptConnection, begun.sync_connection)
            self.connection.is_kept = True
            self.speaking = speaking_on(self.connection)
        return self.connection

    def check_usable(self) -> None:
        if not self.open:
            raise TransactionError(
                "This transaction is over: use it inside its `async with` block."
            )
        if asyncio.current_task() is not self._task:
            raise TransactionError(
                "A transaction belongs to the task that opened it: await its calls one after the "
                "other, or open one transaction per task. For a time limit use asyncio.timeout, "
                "which starts no task."
            )
        self.check_not_undone()

    def check_not_undone(self) -> None:
        if self.connection is not None:
            if self.speaking.lost:
                raise UnreachableError(_LOST)
            if self.connection.invalidated:
                raise TransactionError(_GIVEN_UP)
            if not self.connection.in_transaction():
                raise TransactionError(UNDONE)
        if self.is_undone:
            raise TransactionError(UNDONE)

    async def take_back(
        self, roll_back: Callable[[], Awaitable[None]], error: BaseException
    ) -> None:
        """Undo a part of it. This raises nothing: what the part is undone for counts."""
        connection = self.connection
        if asyncio.current_task() is not self._task:
            self.is_undone = True  # Whoever has the transaction may be sending something now.
            return
        if connection is None or connection.invalidated:
            return  # Postgres has undone all of it.
        driver: Any = connection.connection.driver_connection
        try:
            # Whoever was given up has no time left.
            with nullcontext() if isinstance(error, Exception) else driver.in_a_hurry():
                await roll_back()
        except Exception:
            self.is_undone = True
            logger.debug("A savepoint could not be taken back.", exc_info=True)

    def forget_since(self, before: Mapping[str, "Tx"]) -> "list[Tx]":
        """Take out the views that were born since; what goes on needs new ones."""
        return [self.views.pop(module) for module in self.views.keys() - before.keys()]

    async def flush(self) -> None:
        for view in list(self.views.values()):
            await view.flush()

    async def do_afterwards(self) -> None:
        for do in self.afterwards:
            try:
                await do()
            except (Exception, asyncio.CancelledError):  # Nobody cancels this: see `Database`.
                logger.exception("Committed, but what was to be done afterwards failed.")

    def close(self) -> None:
        self.open = False
        if self.connection is not None:
            self.connection.is_kept = False
        for view in self.views.values():
            view.sync_session.expunge_all()
