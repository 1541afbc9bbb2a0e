"""Schemas that are made, read and undone: what `tables.py` says, in the words of Postgres."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from sys import modules

from sqlalchemy import Connection, MetaData, Table, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase

from app.development.schema_changes import Changes
from app.development.schema_reading import Key, NOT_VALID, read_schema, Schema
from app.platform.database import EXTENSIONS, MigrationError, sqlstate_of
from app.platform.wiring import ModuleFolder

_IS_MISSING = {"42704", "42883"}
"""A type, an operator class, a function or an operator."""
_FUNCTIONS = text(
    """SELECT pg_get_functiondef(oid) FROM pg_proc
    WHERE pronamespace::regnamespace = to_regnamespace(quote_ident(:schema))
        AND prokind IN ('f', 'p')"""
)


def read_tables(connection: Connection, folder: ModuleFolder, owner: str) -> Schema:
    """Make what a module's tables say in the place of its schema, read it, and undo that.

    Others see and wait for nothing: to them, the schema is what it was.
    Raises MigrationError where the tables cannot be made.
    """
    with _aside(connection, folder.name, owner):
        try:
            for metadata in _metadata_of(folder):
                metadata.create_all(connection)
        except SQLAlchemyError as error:
            statement = " ".join((getattr(error, "statement", None) or "").split())
            hint = ""
            if sqlstate_of(error) in _IS_MISSING:
                hint = " What an extension brings needs its name in module.toml (docs/postgres.md)."
            raise MigrationError(
                f"The tables of {folder.package}.tables cannot be made: "
                f"{getattr(error, 'orig', error)}{statement and f' in: {statement}'}.{hint}"
            ) from error
        return _with_loose(read_schema(connection, folder.name), set(_loose(connection, folder)))


def settle(connection: Connection, there: Schema, schema: str, owner: str) -> Schema:
    """Return what stands in a schema as Postgres writes it once it has read its own words.

    What was made of `IN ('a', 'b')` it writes in one way, and what is made of that in another.
    """
    try:
        with _aside(connection, schema, owner):
            for statement in Changes(schema, {}, there, careful=False).at_once().within:
                connection.exec_driver_sql(statement)
            loose = {key for key, each in there.items() if each.definition.endswith(NOT_VALID)}
            return _with_loose(read_schema(connection, schema), loose)
    except DBAPIError:  # It stands on what is not read, such as a function of other arguments.
        return there


def _loose(connection: Connection, folder: ModuleFolder) -> Iterator[Key]:
    """Yield the constraints that are to hold for new rows only (`postgresql_not_valid=True`)."""
    write = connection.dialect.identifier_preparer.format_constraint
    for metadata in _metadata_of(folder):
        for table in metadata.tables.values():
            for each in table.constraints:
                if each.dialect_kwargs.get("postgresql_not_valid"):
                    yield "constraint", table.name, (write(each) or "").strip('"')


def _with_loose(there: Schema, loose: set[Key]) -> Schema:
    """Say NOT VALID of constraints, which Postgres does not do of those of a new table."""
    return {
        key: replace(each, definition=each.definition.removesuffix(NOT_VALID) + NOT_VALID)
        if key in loose
        else each
        for key, each in there.items()
    }


@contextmanager
def _aside(connection: Connection, schema: str, owner: str) -> Iterator[None]:
    """Put an empty schema in the place of one, for as long as a transaction that is undone.

    It has the functions of the other, on which constraints and defaults may stand.
    """
    try:
        functions = list(connection.scalars(_FUNCTIONS, {"schema": schema}))
        connection.execute(text("SET LOCAL check_function_bodies = off"))
        connection.execute(text(f"SET LOCAL search_path = {EXTENSIONS}"))
        connection.execute(text(f'ALTER SCHEMA "{schema}" RENAME TO "{schema}__aside"'))
        connection.execute(text(f'CREATE SCHEMA "{schema}" AUTHORIZATION "{owner}"'))
        connection.execute(text(f'SET LOCAL ROLE "{owner}"'))
        for function in functions:
            with suppress(DBAPIError), connection.begin_nested():
                connection.exec_driver_sql(function)
        yield
    finally:
        connection.rollback()


def _metadata_of(folder: ModuleFolder) -> list[MetaData]:
    """Return the metadata of every table of a module, in whichever of its files that stands."""
    if find_spec(f"{folder.package}.tables"):
        import_module(f"{folder.package}.tables")
    found: dict[MetaData, None] = {}
    for name, module in list(modules.items()):
        if not f"{name}.".startswith(f"{folder.package}."):
            continue
        for value in vars(module).values():
            is_base = isinstance(value, type) and issubclass(value, DeclarativeBase)
            has_metadata = is_base or isinstance(value, Table)
            metadata = getattr(value, "metadata", None) if has_metadata else value
            if isinstance(metadata, MetaData):
                found[metadata] = None
    return list(found)
