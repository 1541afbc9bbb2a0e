"""Transactions in which each module speaks under its own Postgres role.

One engine and one login serve all modules; the login by itself may read nothing. A module gets a
`Database`, opens a transaction with it and receives a `Tx`: a SQLAlchemy session whose statements
run as that module's role. Handed to another module, the `Tx` is exchanged for that module's view of
the same transaction (see `boundary`), so that work across modules commits or fails as one.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, AsyncExitStack
from contextvars import ContextVar
from typing import Any, NoReturn

import asyncpg
from sqlalchemy import Connection, Engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from app.platform.settings import Settings

NAMING = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
"""Names for constraints, so that migrations can refer to them."""

_SAVEPOINT_COMMANDS = ("SAVEPOINT", "RELEASE", "ROLLBACK")


class TransactionError(RuntimeError):
    """A transaction was used in a way that would break it. The message says what to do instead."""


def async_url(url: str) -> str:
    """Translate a libpq URL, `sslmode` included, for SQLAlchemy on asyncpg."""
    parsed = make_url(url).set(drivername="postgresql+asyncpg")
    if "sslmode" in parsed.query:
        sslmode = parsed.query["sslmode"]
        parsed = parsed.difference_update_query(["sslmode"]).update_query_dict({"ssl": sslmode})
    return parsed.render_as_string(hide_password=False)


def login_of(url: str) -> str:
    """Return the role that a database URL logs in as."""
    return make_url(url).username or ""


def role_of(login: str, module: str) -> str:
    """Return the role a module's statements run as.

    Roles are shared by all databases of a server. The login's name in front keeps two applications
    on one server apart.
    """
    return f"{login}_{module}"


def create_engine(settings: Settings) -> AsyncEngine:
    """Create the engine that all modules share."""
    engine = create_async_engine(
        async_url(settings.database_url),
        pool_size=settings.database_pool_size,
        max_overflow=0,
        pool_timeout=settings.database_pool_timeout,
        connect_args={"connection_class": _Connection, "timeout": 5},
    )
    milliseconds = round(settings.database_statement_timeout * 1000)
    _switch_roles(engine.sync_engine, f"SET LOCAL statement_timeout = {milliseconds};")
    return engine


class _Connection(asyncpg.Connection):
    """Sends the first role of a transaction together with BEGIN, which saves a round trip."""

    opening = ""

    async def execute(self, query: str, *args: Any, **options: Any) -> str:
        if not query.startswith("BEGIN"):
            return await super().execute(query, *args, **options)
        try:
            return await super().execute(query + self.opening, *args, **options)
        except BaseException:
            # BEGIN may have passed and the rest failed. The driver believes that no transaction is
            # open and would hand the connection to the next request as it is.
            self.terminate()
            raise


def _switch_roles(engine: Engine, opening: str) -> None:
    """Run each statement under the role of whoever speaks, told by `Connection.info`.

    `speaker` is the role that the next statement needs; `role` is the one Postgres has now, or
    None where that is unknown. Only SET LOCAL is used: it ends with the transaction, so that no
    role is ever left on a connection of the pool.
    """

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.info.update(begun=False, speaker=None, role=None)

    @event.listens_for(engine, "rollback_savepoint")
    def forget(connection: Connection, _name: str, _context: None) -> None:
        connection.info["role"] = None  # Postgres goes back to the role it had at the savepoint.

    @event.listens_for(engine, "before_cursor_execute")
    def switch(connection: Connection, cursor: DBAPICursor, statement: str, *_rest: object) -> None:
        info = connection.info
        speaker = info["speaker"]
        if not info["begun"]:
            set_role = f' SET LOCAL ROLE "{speaker}";' if speaker else ""
            connection.connection.driver_connection.opening = opening + set_role  # type: ignore[union-attr]
            info.update(begun=True, role=speaker)
        elif speaker != info["role"] and not statement.startswith(_SAVEPOINT_COMMANDS):
            cursor.execute(f'SET LOCAL ROLE "{speaker}"')
            info["role"] = speaker


class _ModuleSession(Session):
    """A session that says who speaks before each statement it sends."""

    def get_bind(self, *args: Any, **kwargs: Any) -> Engine | Connection:
        # Every way to the database asks for the bind first: queries, flushes, lazy loads.
        bind = super().get_bind(*args, **kwargs)
        transaction: _Transaction = self.info["transaction"]
        transaction.check_usable()
        if isinstance(bind, Connection):
            bind.info["speaker"] = self.info["role"]
        return bind


class Tx(AsyncSession):
    """An open transaction as one module sees it.

    Use it like any SQLAlchemy session, within the task that opened it. It ends where its
    `async with` block ends: committed, or undone by an exception.
    """

    sync_session_class = _ModuleSession

    def __init__(self, transaction: "_Transaction", module: str) -> None:
        self._transaction = transaction
        super().__init__(
            bind=transaction.connection,
            info={"transaction": transaction, "role": role_of(transaction.login, module)},
            join_transaction_mode="rollback_only",
            expire_on_commit=False,
        )

    def of(self, module: str) -> "Tx":
        """Return the view that another module has of this transaction."""
        return self._transaction.view(module)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Undo only the block when it raises: what every module did in it."""
        before = list(self._transaction.views.values())
        async with AsyncExitStack() as savepoints:
            for view in before:
                await savepoints.enter_async_context(super(Tx, view).begin_nested())
                await view.connection()  # SQLAlchemy sends SAVEPOINT only now.
            try:
                yield
                await self._transaction.flush()
            except BaseException:
                for view in self._transaction.views.values():
                    if view not in before:
                        view.expunge_all()
                raise

    def begin_nested(self) -> NoReturn:
        """Refuse: it would cover this module's part alone."""
        raise TransactionError("Use `async with tx.savepoint()`: it covers every module's part.")

    async def commit(self) -> NoReturn:
        """Refuse: whoever opened the transaction ends it."""
        raise TransactionError("Do not commit a Tx: it commits when its `async with` block ends.")

    async def rollback(self) -> NoReturn:
        """Refuse: whoever opened the transaction ends it."""
        raise TransactionError("Do not roll back a Tx: raise an exception to undo it.")


class _Transaction:
    """What all views of one transaction share."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self.login = connection.engine.url.username or ""
        self.open = True
        self._task = asyncio.current_task()
        self.views: dict[str, Tx] = {}

    def check_usable(self) -> None:
        if not self.open:
            raise TransactionError(
                "This transaction is over: use it inside its `async with` block."
            )
        if asyncio.current_task() is not self._task:
            raise TransactionError(
                "A transaction belongs to the task that opened it: await its calls one after the "
                "other, or open one transaction per task."
            )

    def view(self, module: str) -> Tx:
        if module not in self.views:
            self.views[module] = Tx(self, module)
        return self.views[module]

    async def flush(self) -> None:
        for view in self.views.values():
            await view.flush()

    def close(self) -> None:
        self.open = False
        for view in self.views.values():
            view.sync_session.expunge_all()


_current: ContextVar[_Transaction | None] = ContextVar("transaction", default=None)


class Database:
    """A module's way to the database."""

    def __init__(self, engine: AsyncEngine, module: str) -> None:
        self._engine = engine
        self._module = module

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """Open a transaction: commit when the block ends, undo everything when it raises.

        Raises TransactionError inside another transaction, since a second connection taken while
        holding the first lets n requests deadlock a pool of n.
        """
        outer = _current.get()
        if outer is not None and outer.open:
            raise TransactionError(
                "A transaction is open already: pass its `tx` on to a method that takes one, or "
                "call this method after the block."
            )
        async with self._engine.begin() as connection:
            transaction = _Transaction(connection)
            token = _current.set(transaction)
            try:
                yield transaction.view(self._module)
                await transaction.flush()
            finally:
                _current.reset(token)
                transaction.close()
