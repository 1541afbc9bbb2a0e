"""How what the migrations make differs from what `tables.py` says, in sentences."""

from app.development.schema_reading import Column, Key, Schema, Thing


def differences(present: Schema, wanted: Schema) -> dict[Key, str]:
    """Return a sentence for each difference.

    What belongs to a table that only one of them has goes without saying.
    """
    found = {}
    for key in sorted(present.keys() | wanted.keys()):
        made, said = present.get(key), wanted.get(key)
        if made == said or not _is_told(key, present, wanted):
            continue
        if made and said and made.definition == said.definition:
            words = f"the migrations comment {_text(made)}, but tables.py {_text(said)}"
        else:
            words = f"the migrations make {_defined(made)}, but tables.py says {_defined(said)}"
        found[key] = f"{_called(key)}: {words}."
    return found


def remedy(made: Thing | None, said: Thing | None) -> str:
    """Return what to do about a difference for which no statement can be written."""
    if made is None or said is None:
        return "Write it by hand."
    if lost := [f"'{label}'" for label in made.labels if label not in said.labels]:
        return (
            f"Postgres takes no value out of a type. Keep {', '.join(lost)} in the enum, and once "
            "no release that runs writes it any more, refuse it with a CheckConstraint."
        )
    if made.labels:
        return "Keep the values that there are in their order: new ones may stand between them."
    if isinstance(said, Column) and said.is_generated:
        return (
            "What the column holds would be lost: generate another one, and drop this one when no "
            "release that runs reads it."
        )
    if isinstance(made, Column) and made.is_generated:
        return (
            "What it has generated would be lost: add a column of another name, fill it, and drop "
            "this one when no release that runs reads it."
        )
    if isinstance(made, Column) and isinstance(said, Column) and made.origin != said.origin:
        return (
            "Write it by hand, and let the sequence begin behind the highest value that there is."
        )
    return "Write it by hand."


def renamed(present: Schema, wanted: Schema) -> list[str]:
    """Return a sentence for each column or table that may be an old one by another name.

    Nobody can tell from the tables, and what the old one holds would be lost.
    """
    found = []
    for old, made in present.items():
        kind, parent, _ = old
        if kind not in ("column", "table") or old in wanted:
            continue
        alike = [
            said.name
            for key, said in wanted.items()
            if key not in present
            and key[:2] == (kind, parent)
            and _content(made, present) == _content(said, wanted)
        ]
        if alike:
            found.append(
                f"{_called(old)} goes with all that it holds, while {' and '.join(alike)} of the same "
                f"{'type' if parent else 'columns'} comes empty. If that is a new name, rename it in "
                "steps: add the new one, write both, copy, and drop the old one in a later release "
                "(docs/postgres.md#changing-a-table-without-stopping)."
            )
    return found


def _content(thing: Thing, there: Schema) -> object:
    """Return what tells two columns apart, or two tables, but for their names."""
    if isinstance(thing, Column):
        return thing.type
    columns = (e for e in there.values() if isinstance(e, Column) and e.parent == thing.name)
    return {each.name: each.type for each in columns}


def _is_told(key: Key, present: Schema, wanted: Schema) -> bool:
    kind, parent, _ = key
    above = ("domain" if kind == "domain constraint" else "table", "", parent)
    return not parent or (above in present and above in wanted)


def _called(key: Key) -> str:
    kind, parent, name = key
    return f"{kind} {parent}.{name}" if parent else f"{kind} {name}"


def _defined(thing: Thing | None) -> str:
    return f"`{thing.definition}`" if thing and thing.definition else "it" if thing else "none"


def _text(thing: Thing) -> str:
    return f"`{thing.comment}`" if thing.comment else "nothing"
