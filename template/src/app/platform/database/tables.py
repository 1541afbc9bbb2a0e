"""What every module's tables have in common: how things are named, and in which schema they stand."""

from collections.abc import Iterator

from sqlalchemy import Column, Connection, DefaultClause, event, MetaData, Sequence, Table
from sqlalchemy.sql.expression import ClauseElement
from sqlalchemy.sql.functions import next_value
from sqlalchemy.sql.visitors import iterate
from sqlalchemy.types import SchemaType, TypeEngine

NAMING = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
"""Names for constraints, so that migrations can refer to them."""


@event.listens_for(Column, "before_parent_attach")
def _share_schema(column: Column[object], table: Table) -> None:
    """Put the enum, domain or sequence of a column where its table stands: SQLAlchemy leaves them
    without a schema."""
    hidden = [*_bases(column.type), *_sequences(column.server_default)]
    for named in (*_parts(column.type), *hidden, column.default):
        if isinstance(named, SchemaType | Sequence) and getattr(named, "schema", "") is None:
            named.schema = table.schema
    for named in hidden:
        if isinstance(named, SchemaType | Sequence):
            _create_with(table.metadata, named)


def _create_with(metadata: MetaData, named: SchemaType | Sequence) -> None:
    """Create before all else what SQLAlchemy does not see in a column."""

    @event.listens_for(metadata, "before_create", insert=True)
    def _create(_metadata: MetaData, connection: Connection, **_rest: object) -> None:
        named.create(connection, checkfirst=True)


def _parts(kind: TypeEngine[object]) -> Iterator[object]:
    """Yield a type, and those that it is made of: the items of an array, what a decorator wraps."""
    yield kind
    for inner in (getattr(kind, "item_type", None), getattr(kind, "impl", None)):
        if isinstance(inner, TypeEngine) and inner is not kind:
            yield from _parts(inner)


def _bases(kind: TypeEngine[object]) -> Iterator[object]:
    """Yield what a domain is made of."""
    for part in _parts(kind):
        if isinstance(part, TypeEngine) and part.__visit_name__ == "DOMAIN":  # Slow to import.
            base: TypeEngine[object] = part.data_type  # type: ignore[attr-defined]
            yield from _parts(base)
            yield from _bases(base)


def _sequences(default: object) -> Iterator[Sequence]:
    """Yield the sequences from which Postgres takes the default of a column."""
    if isinstance(default, DefaultClause) and isinstance(default.arg, ClauseElement):
        yield from (each.sequence for each in iterate(default.arg) if isinstance(each, next_value))
