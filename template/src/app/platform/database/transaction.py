"""An open transaction, and how each module sees it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, AsyncExitStack
from typing import Any, cast, NoReturn

from sqlalchemy import Connection, inspect, Table
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.util import greenlet_spawn

from app.platform.database.copying import copy, Records
from app.platform.database.engine import seconds_of
from app.platform.database.errors import is_lost, TransactionError, unreachable
from app.platform.database.kept_connection import DO_NOT_COMMIT, DO_NOT_ROLL_BACK
from app.platform.database.roles import role_of
from app.platform.database.shared import Transaction
from app.platform.database.statement_spans import begin_statement, end_statement

_RAW = (
    "A Tx hands out no connection: what is sent past it runs under whichever role spoke last. Use its "
    "`execute`, `scalars`, `add_all` and `copy_records`."
)


def _refuse(why: str) -> Any:
    """Return a method that is not there, and says why."""

    def refused(_self: object, *_args: object, **_options: object) -> NoReturn:
        raise TransactionError(why)

    return refused


class _ModuleSession(Session):
    """A session that says who speaks before each statement it sends."""

    _shared: Transaction
    _role: str
    _beginning = False

    def get_bind(self, *args: Any, **kwargs: Any) -> Connection:
        # Every way to the database asks for the bind first: queries, flushes, lazy loads.
        if not args and not kwargs:  # Only somebody who wants it for himself.
            raise TransactionError(_RAW)
        return self._speak()

    connection = _refuse(_RAW)

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

    def __init__(self, transaction: Transaction, module: str) -> None:
        self._transaction, self._module = transaction, module
        connection = transaction.connection
        inside = connection is not None and connection.in_nested_transaction()
        super().__init__(
            # A view born inside a savepoint must not undo the whole savepoint by its own failure.
            join_transaction_mode="create_savepoint" if inside else "rollback_only",
            expire_on_commit=False,
        )
        session = self.sync_session
        session._shared, session._role = transaction, role_of(transaction.roles, module)

    def after_commit(self, do: Callable[[], Awaitable[None]]) -> None:
        """Do something once the transaction is committed, or may be; not if it, or a savepoint around
        this, is undone. What it raises is logged. A process that dies does not do it."""
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
            await greenlet_spawn(self.sync_session.connect)  # SQLAlchemy sends SAVEPOINT only now.
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

        Each record has a value for each of the columns, in order: by default all but those that
        Postgres makes by itself. Raises what an INSERT would raise, and ValueError for a column that
        is not there, or a table of another module.
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

    # Whoever opened the transaction ends it, and nothing is sent past the session.
    begin_nested = _refuse("Use `async with tx.savepoint()`: it covers every module's part.")
    commit, rollback = _refuse(DO_NOT_COMMIT), _refuse(DO_NOT_ROLL_BACK)
    connection = get_bind = run_sync = get_transaction = _refuse(_RAW)


def view_of(tx: Tx, module: str) -> Tx:
    """Return the view that another module has of a transaction. Raises TransactionError where it can
    be used no more."""
    transaction = tx._transaction
    if transaction.is_undone or not transaction.open:
        transaction.check_usable()
    return open_view(transaction, module)


def open_view(transaction: Transaction, module: str) -> Tx:
    """Return the view of a module, the same one each time."""
    view = transaction.views.get(module)
    if view is None:
        view = transaction.views[module] = Tx(transaction, module)
    return view


def is_of_this_task(tx: Tx) -> bool:
    """Say whether a transaction may be used here."""
    return asyncio.current_task() is tx._transaction._task


def when_ended(tx: Tx, tell: Callable[[bool], None]) -> None:
    """Say, once all is over, whether it was committed. Ask before the first statement."""
    tx._transaction._ended.push(lambda error, *_: tell(error is None))


async def send(tx: Tx, statement: str, values: tuple[Any, ...]) -> int:
    """Send a statement of the driver's as a module; return how many rows it was about."""
    return await greenlet_spawn(
        lambda: tx.sync_session.connect().exec_driver_sql(statement, values).rowcount
    )


async def send_last(tx: Tx, statement: str, told: str, role: str) -> str:
    """Send several statements in one message, past SQLAlchemy; return what Postgres says of the last.

    They may leave the transaction in another role. A trace is `told` of one, under the role.
    """
    connection = await greenlet_spawn(tx.sync_session.connect)
    driver: Any = connection.connection.driver_connection
    span, error = begin_statement(told, connection.engine.url.database, role), None
    try:
        return cast(str, await driver.execute(statement))
    except BaseException as raised:
        error = raised
        if isinstance(raised, Exception) and is_lost(raised, driver):
            raise unreachable(raised) from raised
        raise
    finally:
        if span is not None:
            end_statement(span, error)


def roles_in(tx: Tx) -> str:
    """Return the login whose roles speak in a transaction."""
    return tx._transaction.roles


async def has_begun(tx: Tx) -> bool:
    """Say whether any statement of a transaction has been sent, once what waits has been."""
    transaction = tx._transaction
    await transaction.flush()
    return transaction.speaking.begun
