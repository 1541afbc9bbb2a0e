"""What an index that could not be built CONCURRENTLY leaves behind: it costs every write, serves no
read, and `if_not_exists=True` takes it for the right one.
"""

import asyncio
import logging

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_only

from app.platform.database import sqlstate_of

logger = logging.getLogger("app.migrations")

_LOOK = 0.5
"""Seconds between two looks whether an index is still being built."""
_NOT_GIVEN = "55P03"

# Not those of partitioned tables (`I`): they are invalid until each partition has its own.
_INVALID = text(
    """SELECT relname, indrelid::regclass::text AS on_table
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE NOT indisvalid AND relkind = 'i' AND relnamespace = to_regnamespace(:schema)"""
)


def clear_invalid_indexes(connection: Connection, schema: str, *, rebuild: bool) -> None:
    """Drop, as their owner, the invalid indexes of a schema, if migrations are to build them again;
    otherwise tell of them.

    One that somebody is building at this moment is invalid until it is done: this waits for it,
    and lets it be if it has become valid.
    """
    if rebuild:
        _wait_for_builders(connection, schema)
    indexes = list(connection.scalars(_INVALID, {"schema": f'"{schema}"'}))
    connection.commit()
    if not rebuild:
        for name in indexes:
            logger.warning(
                "The index %s.%s is invalid. Rebuild it as its owner: REINDEX INDEX CONCURRENTLY",
                schema,
                name,
            )
        return
    if indexes:
        connection.execution_options(isolation_level="AUTOCOMMIT")
    try:
        for name in indexes:
            connection.execute(text(f'DROP INDEX CONCURRENTLY IF EXISTS "{schema}"."{name}"'))
            logger.warning("Dropped the index %s.%s, which was never completed.", schema, name)
    finally:
        connection.rollback()
        connection.execution_options(isolation_level=connection.default_isolation_level)


def _wait_for_builders(connection: Connection, schema: str) -> None:
    """Return when nobody builds any more what is invalid now.

    Who builds CONCURRENTLY keeps a lock on the table until the end. It is asked for again and
    again, and never waited for: the builder waits for open transactions, this one among them.
    """
    found = connection.execute(_INVALID, {"schema": f'"{schema}"'}).all()
    connection.commit()
    for table in {row.on_table for row in found}:
        if _is_built_on(connection, table):
            logger.warning("Waiting for whoever builds an index on %s.", table)
        while _is_built_on(connection, table):
            await_only(asyncio.sleep(_LOOK))


def _is_built_on(connection: Connection, table: str) -> bool:
    try:
        connection.exec_driver_sql(f"LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE NOWAIT")
    except DBAPIError as error:
        if sqlstate_of(error) != _NOT_GIVEN:
            raise
        return True
    finally:
        connection.rollback()
    return False
