"""Transactions in which each module speaks under its own Postgres role.

A module opens a transaction with its `Database` and receives a `Tx`: a SQLAlchemy session whose
statements run as that module's role. Handed to another module, the `Tx` is exchanged for that module's
view of the same transaction (see `boundary`), so that work across modules commits or fails as one.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, AsyncExitStack, suppress
from contextvars import ContextVar, Token
from typing import TypeVarTuple

from sqlalchemy.exc import MultipleResultsFound
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database.errors import OutcomeUnknownError, TransactionError, UnreachableError
from app.platform.database.fetch import fetch, Prepared
from app.platform.database.reading import has_committed, open_reading, Reading
from app.platform.database.replica import Replica
from app.platform.database.shared import Transaction
from app.platform.database.transaction import open_view, Tx

__all__ = ["Database", "Tx", "check_none_is_open", "in_transaction", "opening"]

Columns = TypeVarTuple("Columns")

opening: ContextVar[Callable[[Tx], Awaitable[None]] | None] = ContextVar("opening", default=None)
"""What transactions do first while it is set; see `idempotency`."""
_OPEN = (
    "A transaction or a read is open already: {}, or call this method after the block. A stream that is "
    "not read to its end has its own open until it is closed, as by `async with aclosing(stream)`."
)
_TURNS = 5
_current: ContextVar[Transaction | Reading | None] = ContextVar("transaction", default=None)


def in_transaction() -> bool:
    """Say whether the code that runs now is inside an open transaction, or an open read."""
    transaction = _current.get()
    return transaction is not None and transaction.open


def check_none_is_open() -> None:
    """Raise TransactionError where a transaction is open as an answer begins: it would say that what is
    not yet committed was done. A dependency that yields is left behind the answer."""
    transaction = _current.get()
    if isinstance(transaction, Transaction) and transaction.open:
        raise TransactionError(
            "A transaction is open as the answer begins, which would say that something was done that "
            "may yet fail: open it in the route, or end it there: a dependency that yields ends in time "
            'with `Depends(..., scope="function")`.'
        )


async def is_inside() -> bool:
    """Say whether the code that runs now is inside an open transaction or read, once the event loop has
    closed those of streams that nobody reads any more."""
    for _ in range(_TURNS):
        if not in_transaction():
            return False
        await asyncio.sleep(0)
    return in_transaction()


class Database:
    """A module's way to the database."""

    def __init__(self, engine: AsyncEngine, module: str, replica: Replica | None = None) -> None:
        self._engine = engine
        self._module = module
        self._replica = replica

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Reading]:
        """Open a read: from the replica where that is recent enough, else from the primary.

        It never shows less than the same request has committed; of what others have, it may be
        DATABASE_REPLICA_MAX_LAG seconds behind. Several queries do not share one snapshot.
        Raises TransactionError inside a transaction or another read, and where something is written.
        """
        if in_transaction() and await is_inside():
            raise TransactionError(_OPEN.format("read with its `tx`"))
        async with open_reading(self._module, self._engine, self._replica) as reading:
            token = _current.set(reading)
            try:
                yield reading
            finally:
                _leave(token)

    async def fetch(
        self, query: Prepared[*Columns], /, **parameters: object
    ) -> list[tuple[*Columns]]:
        """Return the rows of one SELECT that is read often, from where `read()` would; see `Prepared`.

        Raises TransactionError inside a transaction or a read, and where something is written.
        """
        if in_transaction() and await is_inside():
            raise TransactionError(_OPEN.format("read with it"))
        return await fetch(self._module, self._engine, self._replica, query, parameters)

    async def fetch_one(
        self, query: Prepared[*Columns], /, **parameters: object
    ) -> tuple[*Columns] | None:
        """Return the only row of one SELECT, or None; see `fetch`.

        Raises MultipleResultsFound for more than one.
        """
        rows = await self.fetch(query, **parameters)
        if len(rows) > 1:
            raise MultipleResultsFound(f"{len(rows)} rows, where one is expected: {query.sql}")
        return rows[0] if rows else None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """Open a transaction: commit when the block ends, undo everything when it raises.

        It takes a connection with its first statement. Raises TransactionError inside another one,
        since n requests that each take a second connection deadlock a pool of n, and at the end where
        it was undone by an error that was caught; OutcomeUnknownError where nobody knows whether it
        was committed.
        """
        if in_transaction() and await is_inside():
            raise TransactionError(_OPEN.format("pass its `tx` on to a method that takes one"))
        committing: Transaction | None = None
        try:
            async with AsyncExitStack() as ended:
                transaction = Transaction(self._engine, ended)
                token = _current.set(transaction)
                try:
                    tx = open_view(transaction, self._module)
                    if (first := opening.get()) is not None:
                        await first(tx)
                    yield tx
                    transaction.check_not_undone()
                    await transaction.flush()
                finally:
                    _leave(token)
                    transaction.close()
                committing = transaction
        except UnreachableError as error:
            if committing is not None:
                raise OutcomeUnknownError(
                    "The connection broke during COMMIT: look what was done before trying again."
                ) from error
            raise
        except Exception:
            committing = None
            raise
        finally:
            if committing is not None:
                if committing.connection is not None:
                    has_committed()
                if committing.afterwards:
                    # Shielded: a request that is given up now has committed nevertheless.
                    await asyncio.shield(asyncio.ensure_future(committing.do_afterwards()))


def _leave(token: Token[Transaction | Reading | None]) -> None:
    with suppress(ValueError):  # The event loop closes a stream, elsewhere.
        _current.reset(token)
