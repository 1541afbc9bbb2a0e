"""What the imports of a Python file bind, and where that is read."""

import builtins
from collections.abc import Mapping
from dataclasses import dataclass

import libcst as cst
from libcst.metadata import (
    Access,
    BaseAssignment,
    ImportAssignment,
    MetadataWrapper,
    ParentNodeProvider,
    PositionProvider,
    Scope,
    ScopeProvider,
)

from scaffold import codemod_texts


@dataclass(eq=False)
class Use:
    """Where a name that an import binds is read, with the attributes behind it."""

    node: cst.BaseExpression
    local: str
    full: str
    chain: list[cst.BaseExpression]
    is_certain: bool

    @property
    def is_text(self) -> bool:
        """Whether it stands in an annotation in quotes."""
        return isinstance(self.node, cst.SimpleString | cst.ConcatenatedString)


class Source:
    """A file, and what is known of its names.

    Args:
        wrapper: its tree.
        name: of the module that it is; a package's ends in `.__init__`.
    """

    def __init__(self, wrapper: MetadataWrapper, name: str) -> None:
        self.module = wrapper.module
        self.name = name.removesuffix(".__init__")
        self.is_package = name.endswith(".__init__")
        self._package = self.name if self.is_package else name.rpartition(".")[0]
        self.scopes: Mapping[cst.CSTNode, Scope | None] = wrapper.resolve(ScopeProvider)
        self.positions = wrapper.resolve(PositionProvider)
        self.parents: Mapping[cst.CSTNode, cst.CSTNode] = wrapper.resolve(ParentNodeProvider)
        imports = [node for node in self.parents if isinstance(node, cst.Import | cst.ImportFrom)]
        self.statements = sorted(imports, key=self.line)
        self.bound = self._bound()

    def line(self, node: cst.CSTNode) -> int:
        """Where a node begins."""
        return self.positions[node].start.line

    def _bound(self) -> dict[str, str | None]:
        """What each name of the file stands for, if it is one import's everywhere."""
        found: dict[str, str | None] = dict.fromkeys(dir(builtins))
        for statement in self.statements:
            for alias in aliases(statement):
                local, full = self.names(statement, alias)
                if full and found.setdefault(local, full) != full:
                    found[local] = None
        for scope in {scope for scope in self.scopes.values() if scope is not None}:
            for each in scope.assignments:
                if not isinstance(each, ImportAssignment):
                    found[each.name.partition(".")[0]] = None
            for access in scope.accesses:
                if isinstance(access.node, cst.Name) and not access.referents:
                    found[access.node.value] = None
        return found

    def names(
        self, statement: cst.Import | cst.ImportFrom, alias: cst.ImportAlias
    ) -> tuple[str, str]:
        """The local name that an import binds, and what it stands for."""
        dotted = dotted_name(alias.name)
        local = (
            alias.asname.name.value
            if alias.asname and isinstance(alias.asname.name, cst.Name)
            else ""
        )
        if isinstance(statement, cst.Import):
            return local or dotted.partition(".")[0], dotted if local else dotted.partition(".")[0]
        origin = self.origin(statement)
        return local or dotted, f"{origin}.{dotted}" if origin else ""

    def origin(self, statement: cst.ImportFrom) -> str:
        """The dotted name behind `from`, as if it were absolute; empty where it leads nowhere."""
        module = dotted_name(statement.module) if statement.module else ""
        if not statement.relative:
            return module
        above = self._package.split(".")
        above = above[: len(above) - len(statement.relative) + 1]
        return ".".join([*above, *([module] if module else [])]) if above else ""

    def uses(self, statement: cst.Import | cst.ImportFrom, alias: cst.ImportAlias) -> list[Use]:
        """Where what an import binds is read."""
        scope = self.scopes.get(alias)
        if scope is None:
            return []
        local, full = self.names(statement, alias)
        dotted = dotted_name(alias.name)
        whole = isinstance(statement, cst.Import) and not alias.asname
        names = _prefixes(dotted) if whole else [local]
        found: dict[int, Use] = {}
        for name in names:
            for assignment in scope[name]:
                if isinstance(assignment, ImportAssignment) and assignment.node is statement:
                    for access in assignment.references:
                        if codemod_texts.is_remark(access.node, self.parents):
                            continue
                        start = name if whole else full
                        found.setdefault(id(access), self._use(access, name, start, statement))
        return list(found.values())

    def _use(self, access: Access, local: str, start: str, statement: cst.CSTNode) -> Use:
        node: cst.CSTNode = access.node
        chain: list[cst.BaseExpression] = []
        above = self.parents.get(node)
        full = start
        while (
            isinstance(above, cst.Attribute)
            and above.value is node
            and not isinstance(access.node, cst.BaseString)
        ):
            full += f".{above.attr.value}"
            chain.append(above)
            node, above = above, self.parents.get(above)
        certain = all(self._is_same(each, start, statement) for each in access.referents)
        return Use(access.node, local, full, chain, certain)

    def _is_same(self, assignment: BaseAssignment, start: str, statement: cst.CSTNode) -> bool:
        if not isinstance(assignment, ImportAssignment):
            return False
        if assignment.node is statement or isinstance(assignment.node, cst.Import):
            return True
        assert isinstance(assignment.node, cst.ImportFrom)
        return any(
            self.names(assignment.node, alias) == (assignment.name, start)
            for alias in aliases(assignment.node)
        )


def aliases(statement: cst.Import | cst.ImportFrom) -> list[cst.ImportAlias]:
    return [] if isinstance(statement.names, cst.ImportStar) else list(statement.names)


def dotted_name(node: cst.BaseExpression | None) -> str:
    if isinstance(node, cst.Attribute):
        return f"{dotted_name(node.value)}.{node.attr.value}"
    return node.value if isinstance(node, cst.Name) else ""


def _prefixes(dotted: str) -> list[str]:
    parts = dotted.split(".")
    return [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
