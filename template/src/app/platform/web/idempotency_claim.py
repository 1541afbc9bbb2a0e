"""A request's claim to its Idempotency-Key: see `idempotency`."""

import asyncio
from functools import partial
from uuid import uuid4

from sqlalchemy import text

from app.platform.database import Tx, view_of, when_ended

_TAKE = text("""
    INSERT INTO requests.idempotency_keys AS known (principal, key, fingerprint, attempt, module)
    SELECT principal, key, CAST(:fingerprint AS bytea), CAST(:attempt AS uuid), CAST(:module AS text)
    FROM (VALUES (CAST(:principal AS text), CAST(:key AS text))) AS given (principal, key)
    WHERE pg_try_advisory_xact_lock(hashtextextended(principal || ' ' || key, 0))
    ON CONFLICT (principal, key) DO UPDATE SET (
        fingerprint, attempt, module, created_at, status, headers, body
    ) = (excluded.fingerprint, excluded.attempt, excluded.module, now(), NULL, NULL, NULL)
    WHERE known.attempt = excluded.attempt OR known.created_at < now() - interval '1 day'
    RETURNING known.key
""")
"""Returns nothing where another request has the key, or is about to."""


class TakenError(BaseException):
    """Another request has the key. No error that a handler may deal with: it is to be left at once."""


class Claim:
    """One request's claim to its key."""

    def __init__(self, principal: str, key: str, fingerprint: bytes, module: str | None) -> None:
        self.row = {
            "principal": principal,
            "key": key,
            "fingerprint": fingerprint,
            "attempt": uuid4(),
            "module": module,
        }
        self.is_taken = False
        """Whether another request has the key."""
        self.is_answered = False
        self.is_written = False
        """Whether a transaction that carries the key is committed."""
        self._has_done = False
        """Whether any is."""
        self._is_carried = False
        self._alone = asyncio.Lock()

    @property
    def is_late(self) -> bool:
        """Whether something is committed, and the key is not: of two transactions at once, the one
        that carried it came to nothing."""
        return self._has_done and not self.is_written

    async def take(self, tx: Tx) -> None:
        """Write the key in the transaction that does the work, if none has yet. Raises TakenError."""
        if self.is_answered or self.is_written:
            return
        async with self._alone:  # Until it is known whose the key is, nothing else begins.
            if self.is_taken:
                raise TakenError
            carries, self._is_carried = not self._is_carried, True
            when_ended(tx, partial(self._end, carries))
            if carries and await view_of(tx, "requests").scalar(_TAKE, self.row) is None:
                self.is_taken = True
                raise TakenError

    def _end(self, carries: bool, is_committed: bool) -> None:
        self._has_done |= is_committed
        if carries:
            self._is_carried, self.is_written = False, is_committed
