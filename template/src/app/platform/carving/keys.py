"""Idempotency keys, with the answers kept under them: who asks again is answered as before the move."""

from datetime import datetime, timedelta

from app.platform.carving.ends import End

_COLUMNS = """SELECT string_agg(quote_ident(attname), ', ' ORDER BY attname) FROM pg_attribute
    WHERE attrelid = 'requests.idempotency_keys'::regclass AND attnum > 0 AND NOT attisdropped"""
_HAS_MODULE = """SELECT EXISTS (SELECT FROM pg_attribute WHERE attname = 'module' AND NOT attisdropped
    AND attrelid = 'requests.idempotency_keys'::regclass)"""
_TEMPORARY = """CREATE TEMPORARY TABLE IF NOT EXISTS carried_keys (LIKE requests.idempotency_keys)
    ON COMMIT DROP"""


class Keys:
    """Carries keys in several turns, each those since the one before: the last one is short.

    A key counts from when its transaction began, which it may outlive by so many seconds.
    """

    def __init__(self, source: End, target: End, module: str, longest: float) -> None:
        self._source, self._target, self._module = source, target, module
        self._longest = timedelta(seconds=longest)
        self._since: datetime | None = None

    async def carry(self) -> int:
        """Carry what was written since the turn before; return how many."""
        now: datetime = await self._source.session.fetchval("SELECT clock_timestamp()")
        theirs = set((await self._target.session.fetchval(_COLUMNS)).split(", "))
        ours = (await self._source.session.fetchval(_COLUMNS)).split(", ")
        columns = [each for each in ours if each in theirs]
        which, given = "true", list[object]()
        if self._since is not None:
            which, given = "created_at >= $1", [self._since - self._longest]
        if await self._source.session.fetchval(_HAS_MODULE):
            which += f" AND (module = '{self._module}' OR module IS NULL)"
        rows = await self._source.session.fetch(
            f"SELECT {', '.join(columns)} FROM requests.idempotency_keys WHERE {which}", *given
        )
        if rows:
            await self._upsert(columns, [tuple(each) for each in rows])
        self._since = now
        return len(rows)

    async def _upsert(self, columns: list[str], rows: list[tuple[object, ...]]) -> None:
        session = self._target.session
        names = ", ".join(columns)
        values = ", ".join(f"excluded.{each}" for each in columns)
        plain = [each.strip('"') for each in columns]
        async with session.transaction():
            await session.execute(_TEMPORARY)
            await session.copy_records_to_table("carried_keys", records=rows, columns=plain)
            await session.execute(
                f"INSERT INTO requests.idempotency_keys ({names}) SELECT {names} FROM carried_keys "
                f"ON CONFLICT (principal, key) DO UPDATE SET ({names}) = ROW({values})"
            )
