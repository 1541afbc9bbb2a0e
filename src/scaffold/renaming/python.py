"""One Python file: what its names stand for, as far as that concerns a module."""

from collections.abc import Iterator
from functools import cached_property

import libcst as cst
from libcst.metadata import ByteSpanPositionProvider, MetadataWrapper

from scaffold.codemod_names import Source, aliases

Span = tuple[int, int, str]
"""From which byte to which, and what stands there then."""


class PythonFile:
    """A file, its tree, and the edits that are to be made in it.

    Args:
        path: of the file in the repository.
        content: of the file.

    Raises:
        ValueError: where it is no Python.
    """

    def __init__(self, path: str, content: bytes) -> None:
        self.path, self.content = path, content
        dotted = path.removeprefix("src/").removesuffix(".py").replace("/", ".")
        try:
            content.decode("utf-8")
            wrapper = MetadataWrapper(cst.parse_module(content))
        except (cst.ParserSyntaxError, SyntaxError, LookupError, UnicodeDecodeError) as error:
            raise ValueError(str(error)) from None
        self.source = Source(wrapper, dotted)
        self.parents = self.source.parents
        self._spans = wrapper.resolve(ByteSpanPositionProvider)
        self.edits: dict[tuple[int, int], str] = {}
        self.taken: set[cst.CSTNode] = set()
        self.spoken_of: set[str] | None = None
        """What the module's classes are called here."""

    @property
    def name(self) -> str:
        """Its dotted name."""
        return self.source.name

    def span(self, node: cst.CSTNode) -> tuple[int, int]:
        """From which byte to which a node stands."""
        where = self._spans[node]
        return where.start, where.start + where.length

    def text(self, node: cst.CSTNode) -> str:
        """What stands there."""
        start, end = self.span(node)
        return self.content[start:end].decode()

    def replace(self, node: cst.CSTNode, new: str) -> None:
        """Let a node be another text."""
        self.edits[self.span(node)] = new
        self.taken.add(node)

    def edit(self, start: int, end: int, new: str) -> None:
        """Let some bytes be another text."""
        self.edits[start, end] = new

    def written(self) -> bytes:
        """The file with all edits in it. Every other byte is as it was."""
        content, before = self.content, len(self.content)
        for (start, end), new in sorted(self.edits.items(), reverse=True):
            if end <= before:  # Of two that meet, the later one.
                content = content[:start] + new.encode() + content[end:]
                before = start
        return content

    @cached_property
    def full(self) -> dict[cst.CSTNode, str]:
        """What names and attributes stand for, by node, where an import or a class says it."""
        found: dict[cst.CSTNode, str] = {}
        for statement in self.source.statements:
            for alias in aliases(statement):
                for use in self.source.uses(statement, alias):
                    names = use.full.split(".")
                    found[use.node] = ".".join(names[: len(names) - len(use.chain)])
                    for number, behind in enumerate(use.chain, 1):
                        found[behind] = ".".join(names[: len(names) - len(use.chain) + number])
        for cls in self.classes:
            for node in self.references(cls):
                found[node] = f"{self.name}.{cls.name.value}"
        return found

    @cached_property
    def classes(self) -> list[cst.ClassDef]:
        """The classes at the top of the file."""
        return [
            node for node in self.parents if isinstance(node, cst.ClassDef) and self.is_top(node)
        ]

    @cached_property
    def functions(self) -> list[cst.FunctionDef]:
        """All functions and methods."""
        return [node for node in self.parents if isinstance(node, cst.FunctionDef)]

    def is_top(self, node: cst.CSTNode) -> bool:
        """Whether a definition stands at the top of the file."""
        scope = self.source.scopes.get(node)
        return scope is not None and scope is scope.globals

    def references(self, definition: cst.ClassDef | cst.FunctionDef) -> list[cst.CSTNode]:
        """Where a definition at the top of the file is read in it."""
        scope = self.source.scopes[definition]
        assert scope is not None
        return [
            access.node
            for assignment in scope[definition.name.value]
            if assignment.scope is scope
            for access in assignment.references
        ]

    def names_in(self, node: cst.CSTNode) -> set[str]:
        """The variables that are spoken of in a part of the file."""
        found: set[str] = set()
        for each in _below(node):
            if isinstance(each, cst.Name):
                above = self.parents.get(each)
                is_attribute = isinstance(above, cst.Attribute) and above.attr is each
                is_keyword = isinstance(above, cst.Arg) and above.keyword is each
                if not (is_attribute or is_keyword):
                    found.add(each.value)
        return found

    def below(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """A node, and all inside it."""
        return _below(node)

    def above(self, node: cst.CSTNode, *kinds: type[cst.CSTNode]) -> cst.CSTNode | None:
        """The nearest node around one that is of some kind."""
        around = self.parents.get(node)
        while around is not None and not isinstance(around, kinds):
            around = self.parents.get(around)
        return around


def _below(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    waiting = [node]
    while waiting:
        each = waiting.pop()
        yield each
        waiting += each.children


def tokens(node: cst.BaseExpression | None) -> list[cst.Name]:
    """The names in a dotted expression, first to last."""
    if isinstance(node, cst.Attribute):
        return [*tokens(node.value), node.attr]
    return [node] if isinstance(node, cst.Name) else []


def parameters(function: cst.FunctionDef) -> list[cst.Param]:
    """The parameters of a function, but for those with a star."""
    given = function.params
    return [*given.posonly_params, *given.params, *given.kwonly_params]


def last_name(node: cst.CSTNode) -> str:
    """How something is called: `b` for `a.b`, and for `a.b(…)`."""
    if isinstance(node, cst.Call):
        return last_name(node.func)
    if isinstance(node, cst.Subscript):
        return last_name(node.value)
    if isinstance(node, cst.Attribute):
        return node.attr.value
    return node.value if isinstance(node, cst.Name) else ""
