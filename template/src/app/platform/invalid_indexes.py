"""What an index that could not be built CONCURRENTLY leaves behind.

It costs every write, serves no read, and bears the name of the right one: `if_not_exists=True` would
take it for that, and a migration would count as applied whose index is of no use.
"""

import logging

from sqlalchemy import Connection, text

logger = logging.getLogger("app.migrations")

# Not those of partitioned tables (`I`): they are invalid until each partition has its own.
_INVALID = text(
    """SELECT relname, indrelid::regclass::text AS on_table
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE NOT indisvalid AND relkind = 'i' AND relnamespace = to_regnamespace(:schema)"""
)


def clear_invalid_indexes(connection: Connection, schema: str, *, rebuild: bool) -> None:
    """Drop, as their owner, the invalid indexes of a schema, if migrations are to build them again;
    otherwise tell of them.

    One that somebody is building at this moment is invalid until it is done: this waits for it, as
    it would to drop it, and lets it be if it has become valid.
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

    Who builds CONCURRENTLY keeps this lock on the table until the end. Readers and writers neither
    take it nor wait behind it, nor does the builder wait for LOCK, which takes no snapshot: so this
    needs no limit.
    """
    found = connection.execute(_INVALID, {"schema": f'"{schema}"'}).all()
    connection.commit()
    for table in {row.on_table for row in found}:
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.exec_driver_sql(f"LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE")
        connection.commit()
