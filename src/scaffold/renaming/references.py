"""Imports of a module, and of its classes, follow: in each spelling one word becomes another."""

import re
from collections.abc import Iterable

import libcst as cst

from scaffold import codemod_texts
from scaffold.codemod_names import Use, aliases
from scaffold.renaming.facts import Facts
from scaffold.renaming.python import PythonFile, last_name, tokens


def find_kinds(files: Iterable[PythonFile], facts: Facts) -> dict[str, str]:
    """The classes that are the module's interface, or stand in for it, by every dotted name.

    Their new names are the same as before where they are not called after the module.
    """
    kinds = dict(facts.classes)
    files, before = list(files), -1
    while len(kinds) > before:
        before = len(kinds)
        for file in files:
            for cls in file.classes:
                full = f"{file.name}.{cls.name.value}"
                bases = [arg.value for arg in cls.bases]
                if any(file.full.get(base) in kinds for base in bases):
                    kinds.setdefault(full, facts.renamed_class(cls.name.value))
            for statement in file.source.statements:
                for alias in aliases(statement) if file.is_top(statement) else ():
                    local, full = file.source.names(statement, alias)
                    if isinstance(statement, cst.ImportFrom) and full in kinds:
                        new = local if alias.asname else kinds[full]
                        kinds.setdefault(f"{file.name}.{local}", new)
    return kinds


def clashes(file: PythonFile, kinds: dict[str, str]) -> str | None:
    """A name that a class would get, and that something else in the file has."""
    new = {now for full, now in kinds.items() if full.rpartition(".")[2] != now}
    if not any(_is_here(file, full) for full, now in kinds.items() if now in new):
        return None
    said = (node.value for node in file.parents if isinstance(node, cst.Name))
    return next((name for name in said if name in new), None)


def _is_here(file: PythonFile, full: str) -> bool:
    return full in file.full.values() or full.startswith(f"{file.name}.")


def follow(file: PythonFile, facts: Facts, kinds: dict[str, str]) -> None:
    """Let the imports of a file, and what they bind, follow."""
    for statement in file.source.statements:
        if isinstance(statement, cst.ImportFrom):
            _import_from(file, facts, kinds, statement)
        else:
            for alias in statement.names:
                _word(file, facts, tokens(alias.name), 0)
        for alias in aliases(statement):
            for use in file.source.uses(statement, alias):
                _use(file, facts, kinds, use)
    for cls in file.classes:
        new = kinds.get(f"{file.name}.{cls.name.value}", cls.name.value)
        if new != cls.name.value:
            file.replace(cls.name, new)
            for node in file.references(cls):
                _rename(file, node, cls.name.value, new)
            _exported(file, cls.name.value, new)


def _import_from(
    file: PythonFile, facts: Facts, kinds: dict[str, str], statement: cst.ImportFrom
) -> None:
    origin = file.source.origin(statement).split(".")
    written = tokens(statement.module) if statement.module else []
    _word(file, facts, written, len(origin) - len(written), origin)
    for alias in aliases(statement):
        name = alias.name
        local, full = file.source.names(statement, alias)
        if not isinstance(name, cst.Name):
            continue
        if full.split(".") in facts.packages:
            new = facts.new
            free = new not in file.names_in(file.source.module)
        elif kinds.get(full, name.value) != name.value:
            new, free = kinds[full], True
        else:
            continue
        if alias.asname:
            file.replace(name, new)
            continue
        uses = file.source.uses(statement, alias)
        if free and _is_alone(file, alias, local):
            file.replace(name, new)
            for use in uses:
                _rename(file, use.node, local, new)
            _exported(file, local, new)
        else:
            file.replace(name, f"{new} as {local}")


def _is_alone(file: PythonFile, alias: cst.ImportAlias, local: str) -> bool:
    """Whether a local name is bound by imports only."""
    scope = file.source.scopes.get(alias)
    return scope is not None and all(
        isinstance(getattr(each, "node", None), cst.Import | cst.ImportFrom)
        for each in scope[local]
    )


def _word(
    file: PythonFile,
    facts: Facts,
    written: list[cst.Name],
    ahead: int,
    full: list[str] | None = None,
) -> None:
    """The module's word in a dotted name, of which the first ones may not be written out."""
    names = full or [each.value for each in written]
    for package in facts.packages:
        at = len(package) - 1 - ahead
        if names[: len(package)] == package and 0 <= at < len(written):
            file.replace(written[at], facts.new)


def _use(file: PythonFile, facts: Facts, kinds: dict[str, str], use: Use) -> None:
    """What stands behind the name that an import binds: `modules.billing.Billing`."""
    if use.is_text:
        for behind in codemod_texts.attributes(use.node, use.local):
            _in_text(file, facts, kinds, use, behind)
        return
    outer = use.chain[-1] if use.chain else use.node
    names, words = use.full.split("."), tokens(outer)
    for number in range(1, len(words)):
        dotted = names[: len(names) - len(words) + number + 1]
        if dotted in facts.packages:
            file.replace(words[number], facts.new)
        new = kinds.get(".".join(dotted), dotted[-1])
        if new != dotted[-1]:
            file.replace(words[number], new)


def _in_text(file: PythonFile, facts: Facts, kinds: dict[str, str], use: Use, behind: str) -> None:
    names = (use.full + behind).split(".")
    start, _ = file.span(use.node)
    for found in re.finditer(
        rf"(?<![\w.]){use.local}{re.escape(behind)}(?!\w)", file.text(use.node)
    ):
        at = start + found.start() + len(use.local)
        for number in range(len(use.full.split(".")), len(names)):
            at += 1
            end = at + len(names[number])
            if names[: number + 1] in facts.packages:
                file.edit(at, end, facts.new)
            new = kinds.get(".".join(names[: number + 1]), names[number])
            if new != names[number]:
                file.edit(at, end, new)
            at = end


def _rename(file: PythonFile, node: cst.CSTNode, old: str, new: str) -> None:
    """One place where a name is read; perhaps in quotes."""
    if isinstance(node, cst.Name):
        file.replace(node, new)
    elif isinstance(node, cst.Attribute):
        file.replace(tokens(node)[0], new)
    else:
        start, _ = file.span(node)
        for found in re.finditer(rf"(?<![\w.]){old}(?!\w)", file.text(node)):
            file.edit(start + found.start(), start + found.end(), new)


def rename_all(file: PythonFile, nodes: Iterable[cst.CSTNode], old: str, new: str) -> None:
    """All places where a name is bound or read."""
    for node in nodes:
        _rename(file, node, old, new)


def _exported(file: PythonFile, old: str, new: str) -> None:
    """The name in `__all__`."""
    for node in file.parents:
        if isinstance(node, cst.SimpleString) and node.evaluated_value == old:
            statement = file.above(node, cst.Assign, cst.AnnAssign, cst.AugAssign, cst.Expr)
            if statement is not None and any(
                isinstance(x, cst.Name) and x.value == "__all__" for x in file.below(statement)
            ):
                start, end = file.span(node)
                quote = len(node.prefix) + len(node.quote)
                file.edit(start + quote, end - len(node.quote), new)


def mentions_kind(file: PythonFile, kinds: dict[str, str], node: cst.CSTNode | None) -> bool:
    """Whether an expression or an annotation speaks of one of the classes."""
    if node is None:
        return False
    if file.spoken_of is None:
        file.spoken_of = {last_name(x) for x, full in file.full.items() if full in kinds}
    for each in file.below(node):
        if file.full.get(each) in kinds:
            return True
        if isinstance(each, cst.SimpleString) and isinstance(each.evaluated_value, str):
            words = set(re.findall(r"\w+", each.evaluated_value))
            if words & file.spoken_of and isinstance(node, cst.Annotation):
                return True
    return False
