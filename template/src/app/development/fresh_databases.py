"""Databases for tests, each as good as new, though few are made.

After a test, rows are deleted from all tables in which migrations have put none. Where that does not make the
database what it was, as after DDL, which Postgres counts as rows of its catalogs, it is dropped.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from time import monotonic
from typing import NamedTuple
from uuid import uuid4

import asyncpg

from app.development.database import with_database

Execute = Callable[[str], object]

_SECONDS_TO_LEAVE = 1
# A session's counts are there before it is gone from the list of sessions.
_OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
_SETTINGS = """
    SELECT (datacl, datconnlimit, datdba, (
        SELECT count(*) FROM pg_db_role_setting WHERE setdatabase = d.oid
    ))::text FROM pg_database d WHERE datname = current_database()
"""
_CATALOG = """
    SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint
    FROM pg_stat_sys_tables s JOIN pg_class c ON c.oid = s.relid
    WHERE NOT relisshared AND schemaname <> 'pg_toast'
"""
_TABLES = """
    SELECT relid::regclass::text, n_tup_ins + n_tup_upd + n_tup_del
    FROM pg_stat_user_tables WHERE schemaname <> 'pg_toast'
"""
_SEQUENCES = "SELECT format('%I.%I', schemaname, sequencename), last_value FROM pg_sequences"
_REFERENCES = """
    SELECT confrelid::regclass::text, conrelid::regclass::text FROM pg_constraint
    WHERE contype = 'f' AND conrelid <> confrelid
"""


class _State(NamedTuple):
    settings: str
    catalog: int
    tables: Mapping[str, int]
    """How many rows were written to each."""
    sequences: Mapping[str, int | None]


class FreshDatabases:
    """Clones of a database in which every module is migrated.

    `execute` executes a statement as admin on a connection to another database.
    """

    def __init__(self, admin_url: str, execute: Execute, template: str) -> None:
        self._admin_url, self._execute, self._template = admin_url, execute, template
        self._fresh: list[tuple[str, _State]] = []
        self._taken: dict[str, tuple[_State, object]] = {}
        self._runner = asyncio.Runner()
        self._filled: frozenset[str] = frozenset()
        """Tables in which migrations have put rows."""

    def take(self) -> str:
        """Return the name of a database that is as good as new."""
        if self._fresh:
            name, state = self._fresh.pop()
        else:
            name = f"test_{uuid4().hex}"
            self._execute(f"CREATE DATABASE {name} TEMPLATE {self._template}")
            state = self._runner.run(self._state_of(name))
        self._taken[name] = state, self._log(name)
        return name

    def give_back(self, name: str) -> None:
        """Make a database what it was, or drop it."""
        before, log = self._taken.pop(name)
        after: _State | None = before
        if self._log(name) != log:
            after = self._runner.run(self._clean(name, before))
        if after is None:
            self._execute(f"DROP DATABASE {name}")
        else:
            self._fresh.append((name, after))

    def close(self) -> None:
        """Drop what is left."""
        self._runner.close()
        for name, _state in self._fresh:
            self._execute(f"DROP DATABASE {name}")

    def _log(self, name: str) -> object:
        """Return how far the server's log has grown, which every change makes longer, and how many are
        connected."""
        return self._execute(
            "SELECT (pg_current_wal_insert_lsn(), count(*)) FROM pg_stat_activity "
            f"WHERE datname = '{name}'"
        )

    async def _state_of(self, name: str) -> _State:
        connection = await asyncpg.connect(with_database(self._admin_url, name))
        try:
            state = await _read(connection)
            self._filled = frozenset(await _filled(connection, state.tables.keys()))
            return state
        finally:
            await connection.close()

    async def _clean(self, name: str, before: _State) -> _State | None:
        """Return the state of a database that is as it was, or None for one that cannot be."""
        try:
            connection = await asyncpg.connect(with_database(self._admin_url, name))
        except (OSError, asyncpg.PostgresError):
            return None
        try:
            # Before 15, what was counted is known some time later.
            if connection.get_server_version() < (15,) or not await _is_alone(connection):
                return None
            now = await _read(connection)
            if not self._filled.isdisjoint(_differing(now.tables, before.tables)):
                return None
            written = await _filled(connection, now.tables.keys() - self._filled)
            await _delete(connection, written)
            for sequence in _differing(now.sequences, before.sequences):
                await _reset(connection, sequence, before.sequences[sequence])
            await connection.execute("SELECT pg_stat_force_next_flush()")
            cleaned = await _read(connection)
            is_clean = cleaned._replace(tables={}) == before._replace(tables={})
            left = await _filled(connection, cleaned.tables.keys() - self._filled)
            return cleaned if is_clean and not left else None
        except (asyncpg.PostgresError, CycleError, KeyError):
            return None
        finally:
            await connection.close()


async def _is_alone(connection: asyncpg.Connection) -> bool:
    end = monotonic() + _SECONDS_TO_LEAVE
    while await connection.fetchval(_OTHERS):
        if monotonic() > end:
            return False
        await asyncio.sleep(0.002)
    return True


async def _read(connection: asyncpg.Connection) -> _State:
    return _State(
        await connection.fetchval(_SETTINGS),
        await connection.fetchval(_CATALOG),
        {row[0]: row[1] for row in await connection.fetch(_TABLES)},
        {row[0]: row[1] for row in await connection.fetch(_SEQUENCES)},
    )


def _differing(now: Mapping[str, int | None], before: Mapping[str, int | None]) -> list[str]:
    return [name for name, value in now.items() if value != before[name]]


async def _filled(connection: asyncpg.Connection, tables: Iterable[str]) -> list[str]:
    """Return those of the tables in which rows are."""
    asked = [f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in tables]
    return [row[0] for row in await connection.fetch(" UNION ALL ".join(asked))] if asked else []


async def _delete(connection: asyncpg.Connection, tables: list[str]) -> None:
    """Delete all rows, of what refers to others first."""
    order: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(tables, ()))
    for referred, referring in await connection.fetch(_REFERENCES):
        if referred in tables and referring in tables:
            order.add(referred, referring)
    for name in order.static_order():
        await connection.execute(f"DELETE FROM {name}")


async def _reset(connection: asyncpg.Connection, sequence: str, value: int | None) -> None:
    await connection.execute(
        "SELECT setval(seqrelid::regclass, coalesce($2, seqstart), $2 IS NOT NULL) "
        "FROM pg_sequence WHERE seqrelid = $1::text::regclass",
        sequence,
        value,
    )
