"""An open transaction, and how each module sees it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, AsyncExitStack, nullcontext
from typing import Any, cast, NoReturn

from sqlalchemy import Connection, inspect, Table
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only, greenlet_spawn

from app.platform.database.copying import copy, Records
from app.platform.database.engine import seconds_of, TransactionError, UNDONE, UnreachableError
from app.platform.database.kept_connection import DO_NOT_COMMIT, DO_NOT_ROLL_BACK, KeptConnection
from app.platform.database.roles import role_of
from app.platform.database.speaking import Speaking, speaking_on

logger = logging.getLogger("app.database")

_GIVEN_UP = (
    "The transaction was undone when one of its statements was cancelled, by a time limit that was "
    "caught inside it, so nothing was committed: let the error out."
)
_LOST = "The connection was lost earlier in this transaction, so all of it is undone."
_RAW = (
    "A Tx hands out no connection: what is sent past it runs under whichever role spoke last. Use its "
    "`execute`, `scalars`, `add_all` and `copy_records`."
)


class _ModuleSession(Session):
    """A session that says who speaks before each statement it sends."""

    _shared: "Transaction"
    _role: str
    _beginning = False

    def get_bind(self, *args: Any, **kwargs: Any) -> Connection:
        # Every way to the database asks for the bind first: queries, flushes, lazy loads.
        if not args and not kwargs:  # Only somebody who wants it for himself.
            raise TransactionError(_RAW)
        return self._speak()

    def connection(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise TransactionError(_RAW)

    def connect(self) -> Connection:
        """Return the connection, for the platform. Sends SAVEPOINT, where one is due."""
        return super().connection({"bind": self._speak()})

    def _speak(self) -> Connection:
        self._shared.check_usable()
        connection = self._shared.connect()
        self._shared.speaking.speaker = self._role
        return connection

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        """Write what is pending; inside a savepoint, in a savepoint of its own.

        A flush that fails takes back the innermost savepoint of its session, and Postgres with it
        those that other sessions have made since. They could not take back their own any more.
        """
        if not self.in_nested_transaction() or not (self.new or self.dirty or self.deleted):
            super().flush(objects)
        elif not self._beginning:
            self._shared.check_usable()
            self._beginning = True
            savepoint = self.begin_nested()  # Would flush, before the savepoint.
            self._beginning = False
            with savepoint:
                self.connect()
                super().flush(objects)


class Tx(AsyncSession):
    """An open transaction as one module sees it.

    Use it like any SQLAlchemy session, within the task that opened it. It ends where its
    `async with` block ends: committed, or undone by an exception.
    """

    sync_session_class = _ModuleSession
    sync_session: _ModuleSession

    def __init__(self, transaction: "Transaction", module: str) -> None:
        self._transaction, self._module = transaction, module
        connection = transaction.connection
        inside = connection is not None and connection.in_nested_transaction()
        super().__init__(
            # A view born inside a savepoint must not undo the whole savepoint by its own failure.
            join_transaction_mode="create_savepoint" if inside else "rollback_only",
            expire_on_commit=False,
        )
        session = self.sync_session
        session._shared, session._role = transaction, role_of(transaction.login, module)

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
        transaction.check_usable()
        await transaction.flush()
        before = dict(transaction.views)
        was_undone, registered = transaction.is_undone, len(transaction.afterwards)
        closing: GeneratorExit | None = None
        async with AsyncExitStack() as savepoints:
            for view in before.values():
                await savepoints.enter_async_context(view._savepoint())
            try:
                try:
                    yield
                except GeneratorExit as error:
                    if not is_of_this_task(self):
                        raise  # Closed by the event loop, at any time: see `take_back`.
                    # A stream that is closed early undoes nothing: what its reader has written
                    # meanwhile is in the savepoint as well.
                    closing = error
                transaction.check_not_undone()
                await transaction.flush()
            except BaseException as error:
                transaction.is_undone = was_undone
                del transaction.afterwards[registered:]
                for view in transaction.forget_since(before):
                    await transaction.take_back(super(Tx, view).rollback, error)
                raise
            for view in transaction.forget_since(before):
                await super(Tx, view).commit()
        if closing is not None:
            raise closing

    @asynccontextmanager
    async def _savepoint(self) -> AsyncIterator[None]:
        nested = await super().begin_nested()
        try:
            await connection_of(self)  # SQLAlchemy sends SAVEPOINT only now.
            yield
        except BaseException as error:
            await self._transaction.take_back(nested.rollback, error)
            raise
        await nested.commit()

    async def copy_records(
        self,
        table: type[Any] | Table,
        records: Records,
        *,
        columns: Sequence[str] | None = None,
    ) -> int:
        """Write many rows into a table of this module with COPY; return how many.

        Each record has a value for each of the columns, in order: without names, for all but those
        that Postgres makes by itself. Defaults in Python do not count.
        Raises what an INSERT would raise, and ValueError for a column or a table that is not there.
        """
        into = table if isinstance(table, Table) else inspect(table).local_table
        if into.schema != self._module:
            raise ValueError(
                f"{self._module} cannot copy into {into.fullname}: it has its own tables."
            )
        await self.flush()
        seconds = seconds_of(self._transaction.engine)
        return await greenlet_spawn(
            lambda: copy(self.sync_session.connect(), into, columns, records, seconds)
        )

    def begin_nested(self) -> NoReturn:
        """Refuse: it would cover this module's part alone."""
        raise TransactionError("Use `async with tx.savepoint()`: it covers every module's part.")

    async def commit(self) -> NoReturn:
        """Refuse: whoever opened the transaction ends it."""
        raise TransactionError(DO_NOT_COMMIT)

    async def rollback(self) -> NoReturn:
        """Refuse: whoever opened the transaction ends it."""
        raise TransactionError(DO_NOT_ROLL_BACK)

    async def connection(self, *_args: Any, **_options: Any) -> NoReturn:
        """Refuse: what is sent on it runs under whichever role spoke last."""
        raise TransactionError(_RAW)

    def get_bind(self, *_args: Any, **_options: Any) -> NoReturn:
        """Refuse, as `connection`."""
        raise TransactionError(_RAW)

    async def run_sync(self, *_args: Any, **_options: Any) -> NoReturn:
        """Refuse, as `connection`."""
        raise TransactionError(_RAW)

    def get_transaction(self) -> NoReturn:
        """Refuse, as `connection`."""
        raise TransactionError(_RAW)


class Transaction:
    """What all views of one transaction share."""

    def __init__(self, engine: AsyncEngine, ended: AsyncExitStack) -> None:
        self.engine, self._ended = engine, ended
        self.connection: KeptConnection | None = None
        self.login = engine.url.username or ""
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
            except (Exception, asyncio.CancelledError):  # Nobody cancels this: see `Database`.
                logger.exception("Committed, but what was to be done afterwards failed.")

    def close(self) -> None:
        self.open = False
        if self.connection is not None:
            self.connection.is_kept = False
        for view in self.views.values():
            view.sync_session.expunge_all()


def view_of(tx: Tx, module: str) -> Tx:
    """Return the view that another module has of a transaction. No module calls this: `boundary` does.

    Raises TransactionError where the transaction can be used no more.
    """
    transaction = tx._transaction
    if transaction.is_undone or not transaction.open:
        transaction.check_usable()
    own = transaction.views.get(module)
    return transaction.view(module) if own is None else own


def is_of_this_task(tx: Tx) -> bool:
    """Say whether a transaction may be used here."""
    return asyncio.current_task() is tx._transaction._task


def when_ended(tx: Tx, tell: Callable[[bool], None]) -> None:
    """Say, once all is over, whether it was committed. Ask before the first statement."""
    tx._transaction._ended.push(lambda error, *_: tell(error is None))


async def connection_of(tx: Tx) -> Connection:
    """Return the connection of a transaction, on which its module speaks next. The platform's alone."""
    return await greenlet_spawn(tx.sync_session.connect)


async def send(tx: Tx, statement: str, values: tuple[Any, ...]) -> int:
    """Send a statement of the driver's as a module; return how many rows it was about. The platform's
    alone."""
    return await greenlet_spawn(
        lambda: tx.sync_session.connect().exec_driver_sql(statement, values).rowcount
    )


async def has_begun(tx: Tx) -> bool:
    """Say whether any statement of a transaction has been sent, once what waits has been."""
    transaction = tx._transaction
    await transaction.flush()
    return transaction.speaking.begun
