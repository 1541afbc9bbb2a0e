"""What every module's tables have in common: how things are named, and in which schema they stand."""

from collections.abc import Iterator

from sqlalchemy import Column, event, Sequence, Table
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
    """Put the enum, domain or sequence of a column where its table stands.

    SQLAlchemy leaves `Mapped[SomeEnum]`, DOMAIN and Sequence without a schema, where Postgres would
    make them in none.
    """
    for named in (*_parts(column.type), column.default):
        if isinstance(named, SchemaType | Sequence) and getattr(named, "schema", "") is None:
            named.schema = table.schema


def _parts(kind: TypeEngine[object]) -> Iterator[object]:
    """Yield a type, and those that it is made of: the items of an array, what a decorator wraps."""
    yield kind
    for inner in (getattr(kind, "item_type", None), getattr(kind, "impl", None)):
        if isinstance(inner, TypeEngine) and inner is not kind:
            yield from _parts(inner)
