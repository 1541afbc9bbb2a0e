"""A connection that nobody takes away from an open `Tx`: the events of a mapper are handed it."""

from sqlalchemy import Connection

from app.platform.database.errors import TransactionError

DO_NOT_COMMIT = "Do not commit a Tx: it commits when its `async with` block ends."
DO_NOT_ROLL_BACK = "Do not roll back a Tx: raise an exception to undo it."


class KeptConnection(Connection):
    """While it is kept, it is neither committed, rolled back nor given back."""

    is_kept = False

    def commit(self) -> None:
        refuse_commit(self)
        super().commit()

    def rollback(self) -> None:
        if self.is_kept:
            raise TransactionError(DO_NOT_ROLL_BACK)
        super().rollback()

    def close(self) -> None:
        if self.is_kept:
            raise TransactionError(DO_NOT_ROLL_BACK)
        super().close()


def refuse_commit(connection: Connection) -> None:
    """Refuse, whichever way it is to be committed. Listens to `commit`."""
    if isinstance(connection, KeptConnection) and connection.is_kept:
        raise TransactionError(DO_NOT_COMMIT)
