"""The queue's tables, installed and brought up to date beside the modules' by `app migrate`."""

from importlib.metadata import version

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.platform import schemas
from app.platform.jobs.names import NAMES
from app.platform.jobs.queue import queries_on

_TABLE = f"{schemas.QUEUE}.{NAMES.queue_table}"
_TRIGGER = f"""CREATE OR REPLACE TRIGGER {NAMES.trigger} AFTER INSERT ON {_TABLE}
    EXECUTE FUNCTION {schemas.QUEUE}.{NAMES.function}()"""
"""Tells workers of new jobs only. pgqueuer's own also tells of each one done; Postgres lets those
who notify commit one after the other."""
_ARRIVED = f"""CREATE TABLE IF NOT EXISTS {schemas.QUEUE}.arrived (
    source text, id bigint, PRIMARY KEY (source, id))"""
"""Which jobs have come from another queue; see `carrier`."""
_OURS = 1
"""Counts what has been added here to pgqueuer's tables."""
_IS_OWN = text("SELECT EXISTS (SELECT FROM carving.gates WHERE is_own)")
_HAS_GATES = text("SELECT to_regclass('carving.gates') IS NOT NULL")
_COUNT_APART = text(f"""
    SELECT setval(sequence, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
    FROM (SELECT pg_get_serial_sequence('{_TABLE}', 'id')::regclass AS sequence) AS each
    WHERE coalesce(pg_sequence_last_value(sequence), 0) < 1000000000000""")
"""No job has the number of one in the main database, or in an earlier one of the module's own: a key of a
`Delivery` is made of it, and jobs in hand are known by it."""
_INSTALLED = text("SELECT obj_description(to_regnamespace(:schema), 'pg_namespace')")


async def install_queue(connection: AsyncConnection, owner: str) -> list[str]:
    """Bring the queue's tables up to date, as their owner; return what was applied.

    What is interrupted is completed by the next run. Tables newer than the code are left alone.
    """
    applied = await _bring_up_to_date(connection, owner)
    if await connection.scalar(_HAS_GATES) and await connection.scalar(_IS_OWN):
        await connection.execute(text(f'SET LOCAL ROLE "{owner}"'))
        await connection.execute(_COUNT_APART)
        await connection.commit()
    return applied


async def _bring_up_to_date(connection: AsyncConnection, owner: str) -> list[str]:
    if not await is_outdated(connection):
        return []
    await connection.rollback()
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    await driver.execute(f'SET ROLE "{owner}"')
    try:
        queries = queries_on(driver)
        await queries.upgrade()
        await queries.optimize_autovacuum()
        await driver.execute(_TRIGGER)
        await driver.execute(_ARRIVED)
        await driver.execute(f"COMMENT ON SCHEMA {schemas.QUEUE} IS '{_wanted()}'")
    finally:
        await driver.execute("RESET ROLE")
    return [f"{schemas.QUEUE} {_wanted()}"]


async def is_outdated(connection: AsyncConnection) -> bool:
    """Say whether the queue's tables are missing or older than the code."""
    installed = await connection.scalar(_INSTALLED, {"schema": schemas.QUEUE})
    return installed is None or _parts(installed) < _parts(_wanted())


def _wanted() -> str:
    return f"pgqueuer-{version('pgqueuer')}.{_OURS}"


def _parts(version: str) -> list[int]:
    return [int(part) for part in version.rpartition("-")[2].split(".") if part.isdigit()]
