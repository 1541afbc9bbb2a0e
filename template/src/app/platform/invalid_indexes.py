"""What an index that could not be built CONCURRENTLY leaves behind.

It costs every write, serves no read, and bears the name of the right one: `if_not_exists=True` would
take it for that, and a migration would count as applied whose index is of no use.
"""

import logging

from sqlalchemy import Connection, text

logger = logging.getLogger("app.migrations")

# Not those of partitioned tables (`I`): they are invalid until each partition has its own.
_INVALID = text(
    """SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE NOT indisvalid AND relkind = 'i' AND relnamespace = to_regnamespace(:schema)"""
)


def clear_invalid_indexes(connection: Connection, schema: str, *, rebuild: bool) -> None:
    """Drop, as their owner, the invalid indexes of a schema, if migrations are to build them again;
    otherwise tell of them.

    One that somebody is building at this moment keeps its lock, for which this waits.
    """
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
