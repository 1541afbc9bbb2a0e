"""The two databases between which a module's data move, and the sessions that may change their gates."""

import asyncio
from dataclasses import dataclass, field
from zlib import crc32

import asyncpg
from sqlalchemy import make_url

from app.platform.carving.errors import CarvingError
from app.platform.database import connect, lock_of
from app.platform.settings import Settings
from app.platform.telemetry import cause
from app.platform.timeouts import CONNECT

_COMMANDS = crc32(b"carving commands") - 2**31
"""With the name of the module, the advisory lock of whoever moves its data."""
_HOLDER = """SELECT pid, application_name,
    to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS UTC') AS since
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND database = datid AND datname = current_database()
        AND classid::bigint = $1::bigint & 4294967295 AND objid::bigint = $2::bigint & 4294967295
        AND mode = 'ExclusiveLock'"""

_IDENTITY = """SELECT system_identifier || ' ' || pg_database.oid FROM pg_control_system(), pg_database
    WHERE datname = current_database()"""


@dataclass
class End:
    """One of the two databases, with the session that holds the lock of the command there.

    Gates are changed on this session alone: whoever lost it changes none any more.
    """

    is_own: bool
    url: str
    reached_at: str
    """The URL by which the other server reaches this one."""
    command: str
    session: asyncpg.Connection = field(init=False, repr=False)

    @property
    def database(self) -> str:
        """What it is called."""
        return make_url(self.url).database or ""

    @property
    def name(self) -> str:
        """What people are told that it is."""
        return "the own database" if self.is_own else "the main database"

    @property
    def version(self) -> int:
        """The major version of its server."""
        return int(self.session.get_server_version().major)

    async def connect(self) -> asyncpg.Connection:
        """Open another session, for what takes its time or holds locks."""
        settings = {
            "application_name": self.command,
            "client_connection_check_interval": "1s",
            "synchronous_commit": "on",  # A side that was closed is so after a crash as well.
        }
        try:
            async with asyncio.timeout(2 * CONNECT):
                return await connect(self.url, server_settings=settings, command_timeout=None)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            url = make_url(self.url)
            raise UnreachableEndError(
                f"{self.name.capitalize()} cannot be reached: {url.username} at {url.host}, "
                f"{url.database}: {cause(error)}. {'OWN_MIGRATION_' if self.is_own else 'MIGRATION_'}"
                "DATABASE_URL says where it is."
            ) from error

    async def begin(self) -> None:
        """Open the session. Raises UnreachableEndError."""
        self.session = await self.connect()

    async def identity(self) -> str:
        """Return what is the same for no other database, on whatever server."""
        return str(await self.session.fetchval(_IDENTITY))

    async def row(self, query: str) -> asyncpg.Record:
        """Return the one row that a query always has."""
        (row,) = await self.session.fetch(query)
        return row

    def stream_of(self, module: str) -> str:
        """Return the name of the slot, and of the subscription, of the stream that begins here.

        Slots belong to the server, on which several databases may have a module of this name.
        """
        return f"carving_{module}_{crc32(self.database.encode()):08x}"

    def conninfo(self) -> str:
        """Return how the other server connects, in the words of libpq."""
        url = make_url(self.reached_at)
        said = {
            "host": url.host or "",
            "port": str(url.port or 5432),
            "dbname": url.database or "",
            "user": url.username or "",
            "password": "" if url.password is None else str(url.password),
            "sslmode": str(url.query.get("sslmode", "prefer")),
            "connect_timeout": "10",
            "keepalives_idle": "10",
            "keepalives_interval": "5",
            "keepalives_count": "3",
        }
        return " ".join(f"{name}={_quoted(value)}" for name, value in said.items() if value)


class UnreachableEndError(CarvingError):
    """One of the two databases does not answer."""


@dataclass
class Ends:
    """Both databases."""

    main: End
    own: End

    def toward(self, *, own: bool) -> tuple[End, End]:
        """Return source and target of a move."""
        return (self.main, self.own) if own else (self.own, self.main)


def ends_of(settings: Settings, command: str) -> Ends:
    """Return both databases, as the settings say. Raises CarvingError where one is missing."""
    own = settings.own_migration_database_url
    if own is None:
        raise CarvingError(
            "OWN_MIGRATION_DATABASE_URL is not set: it names the admin of the database to which the "
            "module's data are to move."
        )
    main = settings.admin_url
    return Ends(
        End(False, main, settings.replication_database_url or main, command),
        End(True, own, settings.own_replication_database_url or own, command),
    )


async def take_lock(end: End, module: str, wait: float = 0) -> None:
    """Take the lock of the command on one side. Raises CarvingError, which says who has it."""
    keys = _COMMANDS, lock_of(module)[1]
    until = asyncio.get_running_loop().time() + wait
    while not await end.session.fetchval("SELECT pg_try_advisory_lock($1::int, $2::int)", *keys):
        if asyncio.get_running_loop().time() >= until:
            found = await end.session.fetchrow(_HOLDER, *keys)
            who = (
                f"pid {found['pid']} ({found['application_name']}) on {end.name}, since {found['since']}"
                if found
                else f"a session on {end.name} that is just ending"
            )
            raise CarvingError(
                f"Somebody else moves the data of {module}: {who}. Let that end first."
            )
        await asyncio.sleep(0.1)


async def check_two(ends: Ends) -> None:
    """Raise CarvingError where both URLs name the same database."""
    if await ends.main.identity() == await ends.own.identity():
        raise CarvingError(
            "MIGRATION_DATABASE_URL and OWN_MIGRATION_DATABASE_URL name the same database: the module's "
            "own one is to be another, on the same server or elsewhere."
        )


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
