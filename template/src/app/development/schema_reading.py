"""What stands in a schema, in the words of Postgres, which are the same whoever made it.

Postgres writes `price >= 0` and `(price >= (0)::numeric)` alike, so two schemas agree where these words
do. Not read is what `tables.py` does not speak of: triggers, functions, views, policies, grants,
extended statistics, partitions, composite and range types, the order of columns.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from app.development.schema_queries import COLUMNS, THINGS

NOT_VALID = " NOT VALID"
"""What follows a constraint to which only new rows are held."""


@dataclass(frozen=True)
class Thing:
    """Something with a name in a schema."""

    kind: str
    parent: str
    """The table that it belongs to, or the domain; nothing for what stands by itself."""
    name: str
    definition: str
    """As the statement that makes it has it."""
    comment: str | None = None
    labels: tuple[str, ...] = ()
    """The values of an enum, in order."""


@dataclass(frozen=True)
class Column(Thing):
    """A column, and the parts of it that can be changed by themselves."""

    type: str = ""
    required: str = ""
    fallback: str = ""
    """Its DEFAULT."""
    origin: str = ""
    """What makes its values: an expression, an identity, or `serial`."""

    @property
    def is_generated(self) -> bool:
        """Whether its values follow from other columns."""
        return self.origin.startswith("GENERATED ALWAYS AS (")

    @property
    def is_stored(self) -> bool:
        """Whether it is generated, and keeps its values: they can stay without the expression."""
        return self.is_generated and self.origin.endswith(" STORED")


Key = tuple[str, str, str]
Schema = dict[Key, Thing]
"""What stands in a schema, by kind, parent and name."""


def read_schema(connection: Connection, schema: str) -> Schema:
    """Read what stands in a schema. All names in definitions are qualified."""
    about = {"schema": f'"{schema}"'}
    connection.execute(text("SET LOCAL search_path = ''"))
    found: list[Thing] = []
    for query in THINGS:
        rows = connection.execute(text(query), about).mappings()
        found += (Thing(**{**row, "labels": tuple(row.get("labels") or ())}) for row in rows)
    for row in connection.execute(text(COLUMNS), about).mappings():
        found.append(Column(definition=_defined(**row), **row))
    return {(each.kind, each.parent, each.name): each for each in found}


def _defined(type: str, required: str, fallback: str, origin: str, **_rest: object) -> str:
    if origin == "serial":
        type, origin = {"smallint": "smallserial", "bigint": "bigserial"}.get(type, "serial"), ""
    default = f"DEFAULT {fallback}" if fallback else ""
    return " ".join(filter(None, (type, origin, default, required)))
