"""Edits of one Python file, collected first and then made in one pass: the rest stays as it is."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import libcst as cst

_Import = cst.Import | cst.ImportFrom


class NewImport(NamedTuple):
    """An import to write: `from module import name as local`, or without a name `import module`."""

    module: str
    name: str = ""
    local: str = ""

    def alias(self, before: cst.ImportAlias | None = None) -> cst.ImportAlias:
        """As it stands in a statement; `before` gives the comma and the comments."""
        named = self.local and self.local != (self.name or self.module)
        asname = cst.AsName(cst.Name(self.local)) if named else None
        name = expression(self.name or self.module)
        assert isinstance(name, cst.Name | cst.Attribute)
        return (before or cst.ImportAlias(name)).with_changes(name=name, asname=asname)

    def statement(self, others: Sequence["NewImport"] = ()) -> _Import:
        """A statement of it, with others of its module."""
        if not self.name:
            return cst.Import([self.alias()])
        return cst.ImportFrom(_name(self.module), [each.alias() for each in (self, *others)])


def expression(dotted: str, place: cst.BaseExpression | None = None) -> cst.BaseExpression:
    """A dotted name, in the parentheses of what it takes the place of."""
    node = cst.parse_expression(dotted)
    return node.with_changes(lpar=place.lpar, rpar=place.rpar) if place else node


def _name(dotted: str) -> cst.Name | cst.Attribute:
    node = expression(dotted)
    assert isinstance(node, cst.Name | cst.Attribute)
    return node


class Edits(cst.CSTTransformer):
    """What is to be changed in a tree; visiting the tree does it.

    Args:
        parents: of each node of the tree.
    """

    def __init__(self, parents: Mapping[cst.CSTNode, cst.CSTNode]) -> None:
        super().__init__()
        self._parents = parents
        self._nodes: dict[cst.CSTNode, cst.CSTNode] = {}
        self._aliases: dict[cst.ImportAlias, NewImport | None] = {}
        self._more: dict[cst.CSTNode, list[NewImport]] = {}
        self._present: dict[cst.CSTNode, set[NewImport]] = {}

    def __bool__(self) -> bool:
        return bool(self._nodes or self._aliases or self._more)

    def replace(self, node: cst.CSTNode, new: cst.CSTNode) -> None:
        """Put another expression in the place of one."""
        self._nodes[node] = new

    def current(self, node: cst.CSTNode) -> cst.CSTNode:
        """What stands in the place of a node by now."""
        return self._nodes.get(node, node)

    def replace_import(self, statement: _Import, alias: cst.ImportAlias, new: NewImport) -> None:
        """Import something else in the place of one name."""
        self._aliases[alias] = new
        self._more.setdefault(statement, [])

    def drop(self, statement: _Import, alias: cst.ImportAlias) -> None:
        """Import a name no longer."""
        self._aliases[alias] = None
        self._more.setdefault(statement, [])

    def add(self, statement: _Import, new: NewImport) -> None:
        """Import something else as well, behind a statement."""
        self._more.setdefault(statement, []).append(new)

    def on_leave(  # type: ignore[override]
        self, original: cst.CSTNode, updated: cst.CSTNode
    ) -> cst.CSTNode | cst.RemovalSentinel | cst.FlattenSentinel[cst.CSTNode]:
        """Make the edits of a node, once those inside are made."""
        if original in self._nodes:
            return self._nodes[original]
        if isinstance(original, cst.SimpleStatementLine | cst.SimpleStatementSuite):
            if any(each in self._more for each in original.body):
                return self._statements(original, updated)
        elif isinstance(updated, cst.IndentedBlock) and not updated.body:
            return updated.with_changes(body=[cst.SimpleStatementLine([cst.Pass()])])
        return updated

    def _statements(
        self, original: cst.SimpleStatementLine | cst.SimpleStatementSuite, updated: cst.CSTNode
    ) -> cst.CSTNode | cst.RemovalSentinel | cst.FlattenSentinel[cst.CSTNode]:
        assert isinstance(updated, cst.SimpleStatementLine | cst.SimpleStatementSuite)
        body: list[cst.BaseSmallStatement] = []
        for before, after in zip(original.body, updated.body, strict=True):
            if isinstance(before, _Import) and before in self._more:
                body += self._rewritten(original, before)
            else:
                body.append(after)
        if len(original.body) == 1 and isinstance(updated, cst.SimpleStatementLine):
            if not body:
                return cst.RemoveFromParent()
            first, *others = body
            lines = [updated.with_changes(body=[first])]
            return cst.FlattenSentinel([*lines, *(cst.SimpleStatementLine([x]) for x in others)])
        if not body:
            body.append(cst.Pass())
        semicolon = cst.Semicolon(whitespace_after=cst.SimpleWhitespace(" "))
        joined = [each.with_changes(semicolon=semicolon) for each in body[:-1]]
        last = body[-1].with_changes(semicolon=updated.body[-1].semicolon)
        return updated.with_changes(body=[*joined, last])

    def _rewritten(self, line: cst.CSTNode, statement: _Import) -> Iterator[cst.BaseSmallStatement]:
        """What becomes of one import: what is left of it, then what is new."""
        present = self._present_in(self._parents[line])
        assert not isinstance(statement.names, cst.ImportStar)
        kept: list[cst.ImportAlias] = []
        new: list[NewImport] = []
        in_place: list[cst.ImportAlias] = []
        are_kept = any(alias not in self._aliases for alias in statement.names)
        for alias in statement.names:
            after = self._aliases.get(alias)
            if alias not in self._aliases:
                kept.append(alias)
            elif after and after not in present:
                present.add(after)
                same = bool(after.name) and after.module == (new or [after])[0].module
                if not are_kept and len(in_place) == len(new) and (same or not new):
                    in_place.append(after.alias(alias))
                new.append(after)
        moved, rest = new[: len(in_place)], new[len(in_place) :]
        if kept:
            yield statement.with_changes(names=_closed(statement, kept))
        elif moved:
            names = _closed(statement, in_place)
            if isinstance(statement, cst.ImportFrom):
                yield statement.with_changes(
                    module=_name(moved[0].module),
                    relative=(),
                    names=names,
                    whitespace_after_from=cst.SimpleWhitespace(" "),
                )
            else:
                yield statement.with_changes(names=names)
        for each in self._more[statement]:
            if each not in present:
                present.add(each)
                rest.append(each)
        for first in rest:
            alike = [each for each in rest if each.name and each.module == first.module]
            if first not in alike:
                yield first.statement()
            elif first is alike[0]:
                yield first.statement(alike[1:])

    def _present_in(self, block: cst.CSTNode) -> set[NewImport]:
        """What the statements of a block import, and go on importing."""
        if block not in self._present:
            found = self._present[block] = set()
            lines = block.body if isinstance(block, cst.Module | cst.IndentedBlock) else ()
            for line in lines:
                if isinstance(line, cst.SimpleStatementLine):
                    for statement in line.body:
                        if isinstance(statement, _Import):
                            found.update(self._imports(statement))
        return self._present[block]

    def _imports(self, statement: _Import) -> Iterator[NewImport]:
        if isinstance(statement.names, cst.ImportStar):
            return
        for alias in statement.names:
            if alias in self._aliases:
                continue
            local = alias.evaluated_alias or ""
            if isinstance(statement, cst.Import):
                yield NewImport(alias.evaluated_name, local=local)
            elif statement.module and not statement.relative:
                module = cst.Module([]).code_for_node(statement.module)
                yield NewImport(module, alias.evaluated_name, local or alias.evaluated_name)


def _closed(statement: _Import, names: Sequence[cst.ImportAlias]) -> list[cst.ImportAlias]:
    """Names without a comma behind the last one, unless there are parentheses."""
    last = names[-1]
    if not (isinstance(statement, cst.ImportFrom) and statement.lpar):
        last = last.with_changes(comma=cst.MaybeSentinel.DEFAULT)
    return [*names[:-1], last]
