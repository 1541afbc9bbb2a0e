"""Two schemas side by side: what only one of them has, and what is not the same in both."""

from collections.abc import Iterator
from zlib import crc32

from sqlalchemy import make_url

from app.development.schema_reading import Schema, Thing

quote = make_url("postgresql+asyncpg://").get_dialect()().identifier_preparer.quote
_COMMENT = {
    "column": "COLUMN {on}.{name}",
    "constraint": "CONSTRAINT {name} ON {on}",
    "domain constraint": "CONSTRAINT {name} ON DOMAIN {on}",
    "enum": "TYPE {of}",
}
_LONGEST_NAME = 63
"""In bytes."""


def literal(value: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + value.replace("'", "''") + "'"


class Pair:
    """What is present and what is wanted, in one schema.

    What belongs to a table that only one of the two has comes and goes with it.
    """

    def __init__(self, schema: str, present: Schema, wanted: Schema) -> None:
        self._schema, self._present, self._wanted = schema, present, wanted
        self._renamed = {
            kind: list(self._same_by_another_name(kind)) for kind in ("constraint", "index")
        }

    def new(self, kind: str) -> list[Thing]:
        """Return what is to be made."""
        renamed = [new for _, new in self._renamed.get(kind, ())]
        return [each for each in self._only(kind, self._wanted) if each not in renamed]

    def gone(self, kind: str) -> list[Thing]:
        """Return what is to go."""
        renamed = [old for old, _ in self._renamed.get(kind, ())]
        return [each for each in self._only(kind, self._present) if each not in renamed]

    def changed(self, kind: str) -> list[tuple[Thing, Thing]]:
        """Return what is to be defined in another way: as it is, and as it should be."""
        return [
            (made, said)
            for key, said in self._wanted.items()
            if said.kind == kind
            and (made := self._present.get(key))
            and made.definition != said.definition
        ]

    def belonging(self, kind: str, parent: Thing) -> list[Thing]:
        """Return what is wanted of a table or domain."""
        return [e for e in self._wanted.values() if e.kind == kind and e.parent == parent.name]

    def rename(self, kind: str, statement: str) -> Iterator[str]:
        """Yield what gives a new name to what is the same for the rest."""
        for old, new in self._renamed[kind]:
            yield self.fill(statement, old) + quote(new.name)

    def comment(self, *, rules: bool) -> Iterator[str]:
        """Yield comments: on constraints and indexes of tables that there are, or on all else."""
        for key, said in self._wanted.items():
            made = self._present.get(key)
            kept = made.comment if made and made.definition == said.definition else None
            is_rule = said.kind in ("constraint", "index") and self._is_in_both(said)
            if said.comment != kept and is_rule == rules:
                on = _COMMENT.get(said.kind, f"{said.kind.upper()} {{of}}")
                text = "NULL" if said.comment is None else literal(said.comment)
                yield self.fill(f"COMMENT ON {on} IS ", said) + text

    def drop(self, kind: str, statement: str) -> Iterator[str]:
        """Yield a statement for each that is to go."""
        return (self.fill(statement, each) for each in self.gone(kind))

    def drop_at_once(self, kind: str, statement: str) -> Iterator[str]:
        """Yield one statement for all that are to go, since they may refer to each other."""
        if gone := [self.fill("{of}", each) for each in self.gone(kind)]:
            yield statement + ", ".join(gone)

    def add(self, kind: str, statement: str) -> Iterator[str]:
        """Yield a statement for each that is to be made."""
        return (self.fill(statement, each) for each in self.new(kind))

    def unused(self, name: str, end: str) -> str:
        """Return a name with an end, for a while, that nothing else has."""
        taken = {each for _, _, each in self._present.keys() | self._wanted.keys()}
        if len(f"{name}{end}".encode()) <= _LONGEST_NAME and f"{name}{end}" not in taken:
            return name + end
        end = f"_{crc32(name.encode()):08x}{end}"
        return name.encode()[: _LONGEST_NAME - len(end)].decode(errors="ignore") + end

    def fill(self, statement: str, thing: Thing) -> str:
        """Put a thing's name and definition into a statement, and what it stands on (`{on}`)."""
        return statement.format(
            name=quote(thing.name),
            of=f"{quote(self._schema)}.{quote(thing.name)}",
            on=f"{quote(self._schema)}.{quote(thing.parent)}",
            definition=thing.definition,
        )

    def _only(self, kind: str, there: Schema) -> list[Thing]:
        other = self._present if there is self._wanted else self._wanted
        return [
            each
            for key, each in there.items()
            if each.kind == kind and key not in other and self._is_in_both(each)
        ]

    def _is_in_both(self, thing: Thing) -> bool:
        kind = "domain" if thing.kind == "domain constraint" else "table"
        above = (kind, "", thing.parent)
        return not thing.parent or (above in self._present and above in self._wanted)

    def _same_by_another_name(self, kind: str) -> Iterator[tuple[Thing, Thing]]:
        wanted = self._only(kind, self._wanted)
        for old in self._only(kind, self._present):
            for new in wanted:
                if old.parent == new.parent and _nameless(old) == _nameless(new):
                    wanted.remove(new)
                    yield old, new
                    break


def _nameless(thing: Thing) -> str:
    return thing.definition.replace(f"INDEX {quote(thing.name)} ON", "INDEX ON", 1)
