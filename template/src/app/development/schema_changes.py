"""The statements that make of one schema another, in an order in which they can be done."""

import re
from collections.abc import Iterator
from dataclasses import replace

from app.development.migration_step import Step
from app.development.schema_pair import literal, Pair, quote
from app.development.schema_reading import Column, NOT_VALID, Schema, Thing

_ADD = "ALTER TABLE {on} ADD CONSTRAINT {name} {definition}"
_DROP = "ALTER TABLE {on} DROP CONSTRAINT {name}"
_REPLACE = "ALTER TABLE {on} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} {definition}"
_CONSTRAINT = "CONSTRAINT {name} {definition}"
_VALIDATE = "ALTER TABLE {on} VALIDATE CONSTRAINT {name}"
_RENAME_INDEX = "ALTER INDEX {of} RENAME TO "
_ADD_COLUMN = "ALTER TABLE {on} ADD COLUMN {name} {definition}"
_DROP_EXPRESSION = "ALTER TABLE {on} ALTER COLUMN {name} DROP EXPRESSION"
_DROP_COLUMN = "ALTER TABLE {on} DROP COLUMN {name}"
_UNIQUE = re.compile(
    r"UNIQUE(?P<nulls> NULLS NOT DISTINCT)? (?P<columns>\(.+?\)(?: INCLUDE \(.+?\))?)"
    r"(?P<options> WITH \(.+?\))?(?P<when> DEFERRABLE.*)?"
)
_OWNED = " OWNED BY "
_NO_CODE_NAMES_IT = {"renaming-object": "Only an index is renamed, which no statement names."}
_DROPPED = "ban-drop-constraint"


class Changes:
    """What makes `wanted` of `present`.

    Where it is `careful`, rows are checked and indexes built beside the writes; otherwise all can be
    done in one transaction, as in a downgrade.
    """

    def __init__(
        self, schema: str, present: Schema, wanted: Schema, *, careful: bool = True
    ) -> None:
        self._pair = Pair(schema, present, wanted)
        self._careful = careful

    def structure(self) -> Step:
        """Return what everything else stands on: types, tables and columns."""
        pair, step = self._pair, Step()
        for made, said in pair.changed("enum"):
            step.beside += self._labels(made, said)
        does = step.within
        does += pair.rename("constraint", "ALTER TABLE {on} RENAME CONSTRAINT {name} TO ")
        if renamed := list(pair.rename("index", _RENAME_INDEX)):
            does += renamed
            step.allowed.update(_NO_CODE_NAMES_IT)
        does += pair.drop("constraint", _DROP)
        does += pair.drop("domain constraint", _DROP.replace("TABLE", "DOMAIN"))
        does += pair.add("enum", "CREATE TYPE {of} AS ENUM ({definition})")
        for domain in pair.new("domain"):
            create = [pair.fill("CREATE DOMAIN {of} AS {definition}", domain)]
            checks = pair.belonging("domain constraint", domain)
            does.append(" ".join([*create, *(pair.fill(_CONSTRAINT, each) for each in checks)]))
        does += pair.add("domain constraint", _ADD.replace("TABLE", "DOMAIN"))
        sequences = pair.new("sequence")
        for sequence in sequences:
            options = f" {sequence.definition}".partition(_OWNED)[0].rstrip()
            does.append(pair.fill("CREATE SEQUENCE {of}", sequence) + options)
        does += self._create_tables()
        does += pair.add("column", _ADD_COLUMN)
        for made, said in pair.changed("column"):
            does += self._change_column(made, said)
        does += pair.drop("column", _DROP_COLUMN)
        for said in filter(_is_loose_first, pair.new("constraint")):
            does.append(pair.fill(_ADD, self._loose(said)))
        for made, said in pair.changed("constraint"):
            if _is_loose_first(said) and made.definition != self._loose(said).definition:
                does.append(pair.fill(_REPLACE, self._loose(said)))
        for sequence in sequences:
            if owner := f" {sequence.definition}".partition(_OWNED)[2]:
                does.append(pair.fill("ALTER SEQUENCE {of}", sequence) + _OWNED + owner)
        does += pair.drop_at_once("table", "DROP TABLE ")
        does += pair.drop("sequence", "DROP SEQUENCE IF EXISTS {of}")
        does += pair.drop_at_once("domain", "DROP DOMAIN ")
        does += pair.drop("enum", "DROP TYPE {of}")
        does += pair.comment(rules=False)
        return step

    def rules(self) -> Step:
        """Return what reads whole tables: indexes and constraints of those that there are."""
        pair, step = self._pair, Step()
        for said in pair.new("index"):
            step.beside.append(self._build(said, said.name))
        for _, said in pair.changed("index"):
            self._rebuild(step, said)
        how = "CONCURRENTLY IF EXISTS" if self._careful else "IF EXISTS"
        step.beside += pair.drop("index", f"DROP INDEX {how} {{of}}")
        for made, said in pair.changed("column"):
            self._require(step, made, said)
        for said in pair.new("constraint"):
            if not _is_loose_first(said):
                self._hold(step, None, said)
        for made, said in pair.changed("constraint"):
            if not _is_loose_first(said):
                self._hold(step, made, said)
            elif self._careful and made.definition == self._loose(said).definition:
                step.looks.append(pair.fill(_VALIDATE, said))
        for _, said in pair.changed("domain constraint"):
            for statement in (_DROP, _ADD):
                step.within.append(pair.fill(statement.replace("TABLE", "DOMAIN"), said))
                step.allowed.pop(_DROPPED, None)
        step.within += pair.comment(rules=True)
        return step

    def at_once(self) -> Step:
        """Return both, for one transaction."""
        first, second = self.structure(), self.rules()
        return Step(within=first.beside + first.within + second.beside + second.within)

    def _labels(self, made: Thing, said: Thing) -> Iterator[str]:
        """Add values to an enum; none where others would have to go, or to move."""
        if [label for label in said.labels if label in made.labels] != list(made.labels):
            return
        for number, label in enumerate(said.labels):
            if label in made.labels:
                continue
            before, after = said.labels[number - 1], made.labels[0]
            where = f" AFTER {literal(before)}" if number else f" BEFORE {literal(after)}"
            add = self._pair.fill("ALTER TYPE {of} ADD VALUE IF NOT EXISTS ", said)
            yield add + literal(label) + where

    def _create_tables(self) -> Iterator[str]:
        behind = []
        for table in self._pair.new("table"):
            lines = []
            for column in self._pair.belonging("column", table):
                lines.append(self._pair.fill("    {name} {definition}", column))
            for rule in self._pair.belonging("constraint", table):
                if rule.definition.startswith("FOREIGN KEY"):  # Perhaps to one that comes later.
                    behind.append(self._pair.fill(_ADD, rule))
                else:
                    lines.append("    " + self._pair.fill(_CONSTRAINT, rule))
            behind += [each.definition for each in self._pair.belonging("index", table)]
            kind = "UNLOGGED TABLE" if table.definition.startswith("UNLOGGED") else "TABLE"
            options = table.definition.removeprefix("UNLOGGED").strip()
            create = self._pair.fill(f"CREATE {kind} {{of}} (\n", table) + ",\n".join(lines) + "\n)"
            yield f"{create} {options}".rstrip()
        yield from behind

    def _change_column(self, made: Thing, said: Thing) -> Iterator[str]:
        assert isinstance(made, Column)
        assert isinstance(said, Column)
        if made.origin != said.origin:
            if said.is_generated and (made.is_generated or not self._careful):  # Nothing is lost.
                yield self._pair.fill(_DROP_COLUMN, said)
                yield self._pair.fill(_ADD_COLUMN, said)
            if said.origin or not made.is_stored:
                return
            yield self._pair.fill(_DROP_EXPRESSION, said)
        parts = []
        retyped = made.type != said.type
        if made.fallback and (retyped or not said.fallback):
            parts.append("DROP DEFAULT")
        if retyped:  # On the way back, what was cast without a word may have to be cast with one.
            using = "" if self._careful else f" USING {quote(said.name)}::{said.type}"
            parts.append(f"TYPE {said.type}{using}")
        if said.fallback and (retyped or made.fallback != said.fallback):
            parts.append(f"SET DEFAULT {said.fallback}")
        if made.required and not said.required:
            parts.append("DROP NOT NULL")
        if parts:
            yield self._pair.fill("ALTER TABLE {on} ", said) + ", ".join(
                f"ALTER COLUMN {quote(said.name)} {part}" for part in parts
            )
        if retyped and said.origin == "serial":
            own = replace(said, name=f"{said.parent}_{said.name}_seq")
            yield self._pair.fill("ALTER SEQUENCE {of} AS ", own) + said.type

    def _require(self, step: Step, made: Thing, said: Thing) -> None:
        assert isinstance(made, Column)
        assert isinstance(said, Column)
        if made.required == said.required or said.required != "NOT NULL":
            return
        check = f"CHECK ({quote(said.name)} IS NOT NULL)"
        proof = Thing("constraint", said.parent, self._pair.unused(said.name, "_not_null"), check)
        if self._careful:  # What a constraint proves, Postgres does not look for in each row.
            # Again, where it was left from a run that found some.
            again = _REPLACE.replace("DROP CONSTRAINT", "DROP CONSTRAINT IF EXISTS")
            step.beside.append(self._pair.fill(again, self._loose(proof)))
            step.looks.append(self._pair.fill(_VALIDATE, proof))
        step.within.append(
            self._pair.fill("ALTER TABLE {on} ALTER COLUMN {name} SET NOT NULL", said)
        )
        if self._careful:
            step.within.append(self._pair.fill(_DROP, proof))
            step.allowed[_DROPPED] = "It proves that no row has NULL, until NOT NULL does."

    def _loose(self, rule: Thing) -> Thing:
        """Return a rule as it is added: what holds for new rows is said of the others later."""
        is_loose = rule.definition.endswith((NOT_VALID, " NOT ENFORCED")) or not self._careful
        return rule if is_loose else replace(rule, definition=rule.definition + NOT_VALID)

    def _hold(self, step: Step, made: Thing | None, said: Thing) -> None:
        """Add a constraint with an index, or put it in the place of the one of its name."""
        add = _REPLACE if made else _ADD
        if made:
            step.allowed.pop(_DROPPED, None)  # That is for a person to judge.
        unique = _UNIQUE.fullmatch(said.definition)
        if not (unique and self._careful):
            step.within.append(self._pair.fill(add, said))
            return
        name = quote(self._pair.unused(said.name, "_new") if made else said.name)
        build = self._pair.fill(
            f"CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {{on}}", said
        )
        step.beside.append(
            f"{build} {unique['columns']}{unique['nulls'] or ''}{unique['options'] or ''}"
        )
        attached = replace(said, definition=f"UNIQUE USING INDEX {name}{unique['when'] or ''}")
        step.within.append(self._pair.fill(add, attached))

    def _build(self, index: Thing, name: str) -> str:
        """Return what builds an index, under one name or another."""
        own = f"INDEX {quote(index.name)} ON "
        is_divided = f"{own}ONLY " in index.definition
        how = "CONCURRENTLY IF NOT EXISTS " if self._careful and not is_divided else ""
        return index.definition.replace(own, f"INDEX {how}{quote(name)} ON ", 1)

    def _rebuild(self, step: Step, index: Thing) -> None:
        """Build the new one before the old one goes."""
        new = Thing(index.kind, index.parent, self._pair.unused(index.name, "_new"), "")
        how = "CONCURRENTLY IF EXISTS" if self._careful else "IF EXISTS"
        step.beside.append(self._build(index, new.name))
        step.beside.append(self._pair.fill(f"DROP INDEX {how} {{of}}", index))
        step.within.append(self._pair.fill(_RENAME_INDEX, new) + quote(index.name))
        step.allowed.update(_NO_CODE_NAMES_IT)


def _is_loose_first(constraint: Thing) -> bool:
    return constraint.definition.startswith(("CHECK", "FOREIGN KEY"))
