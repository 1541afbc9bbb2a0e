"""Two databases between which the data of `catalog` move, as the command would move them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg

from app.platform.database.gates import CHANNEL, Gate, lock_of, SCHEMA
from app.platform.database.sides import Side

MODULE = "catalog"
_TABLES = f"SELECT tablename FROM pg_tables WHERE schemaname = '{MODULE}'"
_MAKE = f"""
    CREATE SCHEMA IF NOT EXISTS {SCHEMA};
    CREATE TABLE IF NOT EXISTS {SCHEMA}.gates (
        module text PRIMARY KEY,
        state text NOT NULL CHECK (state IN ('open', 'closing', 'closed', 'away')),
        is_own boolean NOT NULL,
        changed timestamptz NOT NULL DEFAULT now()
    );
    GRANT USAGE ON SCHEMA {SCHEMA} TO PUBLIC;
    GRANT SELECT ON {SCHEMA}.gates TO PUBLIC;
    CREATE OR REPLACE FUNCTION {SCHEMA}.refuse() RETURNS trigger LANGUAGE plpgsql AS $body$
    BEGIN
        RAISE EXCEPTION 'The data of {MODULE} are in another database.' USING ERRCODE = 'SCV01';
    END $body$"""
_OF_NAME = """FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = $1"""
_SET = f"""
    INSERT INTO {SCHEMA}.gates AS gates (module, state, is_own) VALUES ('{MODULE}', $1, $2)
    ON CONFLICT (module) DO UPDATE SET state = excluded.state, changed = now()"""


class Gates:
    """The gates of both databases, and who moves data between them."""

    def __init__(
        self, admins: dict[Side, asyncpg.Connection], logins: dict[Side, asyncpg.Connection]
    ) -> None:
        self.admins, self._logins = admins, logins

    async def set(self, side: Side, state: Gate) -> None:
        """Change a gate, the fence included."""
        admin = self.admins[side]
        async with admin.transaction():
            await admin.execute(_MAKE)
            await admin.execute(_SET, state, side is Side.OWN)
            for (table,) in await admin.fetch(_TABLES):
                on = f"{MODULE}.{table}"
                await admin.execute(f"DROP TRIGGER IF EXISTS carving_fence ON {on}")
                if state is Gate.CLOSED:
                    await admin.execute(
                        f"CREATE TRIGGER carving_fence BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE "
                        f"ON {on} FOR EACH STATEMENT EXECUTE FUNCTION {SCHEMA}.refuse()"
                    )
            await admin.execute("SELECT pg_notify($1, $2)", CHANNEL, MODULE)

    async def close(self, side: Side, seconds: float = 30) -> None:
        """Close a side as soon as nobody writes there; raises LockNotAvailableError, and it is open again."""
        admin = self.admins[side]
        await self.set(side, Gate.CLOSING)
        await admin.execute(f"SET lock_timeout = '{seconds}s'")
        try:
            await admin.execute("SELECT pg_advisory_lock($1, $2)", *lock_of(MODULE))
        except asyncpg.LockNotAvailableError:
            await admin.execute("RESET lock_timeout")
            await self.set(side, Gate.OPEN)
            raise
        await admin.execute("RESET lock_timeout")
        await self.set(side, Gate.CLOSED)
        await admin.execute("SELECT pg_advisory_unlock_all()")

    async def move(self, source: Side, target: Side) -> None:
        """Close one and open the other."""
        await self.close(source)
        await self.set(target, Gate.OPEN)

    async def sessions(self, side: Side, name: str) -> int:
        """Return how many connections of that name there are."""
        return int(await self.admins[side].fetchval(f"SELECT count(*) {_OF_NAME}", name))

    async def kill(self, side: Side, name: str) -> None:
        """End the connections of that name."""
        await self._logins[side].execute(f"SELECT pg_terminate_backend(pid) {_OF_NAME}", name)


@asynccontextmanager
async def gates_in(urls: dict[Side, tuple[str, str]]) -> AsyncIterator[Gates]:
    """Make gates in two databases, by the URLs of their admins and logins: main is open."""
    admins = {side: await asyncpg.connect(url) for side, (url, _) in urls.items()}
    logins = {side: await asyncpg.connect(url) for side, (_, url) in urls.items()}
    gates = Gates(admins, logins)
    for side in urls:
        await gates.set(side, Gate.OPEN if side is Side.MAIN else Gate.CLOSED)
    try:
        yield gates
    finally:
        for login in logins.values():
            await login.close()
        for admin in admins.values():
            # The next test finds the database as every other one.
            await admin.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
            await admin.close()


async def eventually(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(30):
        while True:
            result = condition()
            if result if isinstance(result, bool) else await result:
                return
            await asyncio.sleep(0.01)
