"""An open transaction, and how each module sees it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, AsyncExitStack
from typing import Any, NoReturn

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only

from app.platform.engine import TransactionError, UNDONE
from app.platform.roles import role_of

logger = logging.getLogger("app.database")


class _ModuleSession(Session):
    """A session that says who speaks before each statement it sends."""

    def get_bind(self, *_args: Any, **_kwargs: Any) -> Connection:
        # Every way to the database asks for the bind first: queries, flushes, lazy loads.
        transaction: Transaction = self.info["transaction"]
        transaction.check_usable()
        connection = transaction.connect()
        connection.info["speaker"] = self.info["role"]
        return connection

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        """Write what is pending; inside a savepoint, in a savepoint of its own.

        A flush that fails takes back the innermost savepoint of its session, and Postgres with it
        those that other sessions have made since. They could not take back their own any more.
        """
        if not self.in_nested_transaction() or not (self.new or self.dirty or self.deleted):
            super().flush(objects)
        elif not self.info.get("beginning"):
            self.info["beginning"] = True
            savepoint = self.begin_nested()  # Would flush, before the savepoint.
            self.info["beginning"] = False
            with savepoint:
                self.connection()  # Sends SAVEPOINT.
                super().flush(objects)


class Tx(AsyncSession):
    """An open transaction as one module sees it.

    Use it like any SQLAlchemy session, within the task that opened it. It ends where its
    `async with` block ends: committed, or undone by an exception.
    """

    sync_session_class = _ModuleSession

    def __init__(self, transaction: "Transaction", module: str) -> None:
        self._transaction = transaction
        connection = transaction.connection
        inside = connection is not None and connection.in_nested_transaction()
        super().__init__(
            info={"transaction": transaction, "role": role_of(transaction.login, module)},
            # A view born inside a savepoint must not undo the whole savepoint by its own failure.
            join_transaction_mode="create_savepoint" if inside else "rollback_only",
            expire_on_commit=False,
        )

    def of(self, module: str) -> "Tx":
        """Return the view that another module has of this transaction. Raises TransactionError where
        it can be used no more, or not here."""
        self._transaction.check_usable()
        return self._transaction.view(module)

    def after_commit(self, do: Callable[[], Awaitable[None]]) -> None:
        """Do something once the transaction is committed; not if it, or a savepoint around this, is
        undone. It is done as well where nobody knows whether the commit succeeded.

        What it raises is logged: the data are committed. A process that dies does not do it.
        """
        self._transaction.afterwards.append(do)

    def undo(self) -> None:
        """Let the transaction, or the savepoint that surrounds this, come to nothing."""
        self._transaction.is_undone = True

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Undo only the block when it raises: what every module did in it."""
        transaction = self._transaction
        await transaction.flush()
        before = dict(transaction.views)
        was_undone, registered = transaction.is_undone, len(transaction.afterwards)
        async with AsyncExitStack() as savepoints:
            for view in before.values():
                await savepoints.enter_async_context(super(Tx, view).begin_nested())
                await view.connection()  # SQLAlchemy sends SAVEPOINT only now.
            try:
                yield
                transaction.check_not_undone()
                await transaction.flush()
            except BaseException:
                transaction.is_undone = was_undone
                del transaction.afterwards[registered:]
                for view in transaction.forget_since(before):
                    await super(Tx, view).rollback()
                raise
            for view in transaction.forget_since(before):
                await super(Tx, view).commit()

    def begin_nested(self) -> NoReturn:
        """Refuse: it would cover this module's part alone."""
        raise TransactionError("Use `async with tx.savepoint()`: it covers every module's part.")

    async def commit(self) -> NoReturn:
        """Refuse: whoever opened the transaction ends it."""
        raise TransactionError("Do not commit a Tx: it commits when its `async with` block ends.")

    async def rollback(self) -> NoReturn:
        """Refuse: whoever opened the transaction ends it."""
        raise TransactionError("Do not roll back a Tx: raise an exception to undo it.")


class Transaction:
    """What all views of one transaction share."""

    def __init__(self, engine: AsyncEngine, ended: AsyncExitStack) -> None:
        self._engine, self._ended = engine, ended
        self.connection: Connection | None = None
        self.login = engine.url.username or ""
        self.open = True
        self.is_undone = False
        """Whether a method that joined it has failed; see `boundary`."""
        self._task = asyncio.current_task()
        self.views: dict[str, Tx] = {}
        self.afterwards: list[Callable[[], Awaitable[None]]] = []

    def connect(self) -> Connection:
        """Return the connection, taken from the pool for the first statement and not before.

        Called by a session, thus inside SQLAlchemy's greenlet.
        """
        if self.connection is None:
            try:
                begun = await_only(self._ended.enter_async_context(self._engine.begin()))
            except BaseException:
                self.is_undone = True  # A session forgets what it could not write.
                raise
            self.connection = begun.sync_connection
            assert self.connection is not None
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
        broken = self.connection is not None and not self.connection.in_transaction()
        if self.is_undone or broken:
            raise TransactionError(UNDONE)

    def view(self, module: str) -> Tx:
        if module not in self.views:
            self.views[module] = Tx(self, module)
        return self.views[module]

    def forget_since(self, before: Mapping[str, Tx]) -> list[Tx]:
        """Take out the views that were born since; what goes on needs new ones."""
        return [self.views.pop(module) for module in self.views.keys() - before.keys()]

    async def flush(self) -> None:
        for view in list(self.views.values()):
            await view.flush()

    async def do_afterwards(self) -> None:
        for do in self.afterwards:
            try:
                await do()
            except Exception:
                logger.exception("Committed, but what was to be done afterwards failed.")

    def close(self) -> None:
        self.open = False
        for view in self.views.values():
            view.sync_session.expunge_all()


async def has_begun(tx: Tx) -> bool:
    """Say whether any statement of a transaction has been sent, once what waits has been."""
    transaction = tx._transaction
    await transaction.flush()
    return transaction.connection is not None and bool(transaction.connection.info["begun"])
