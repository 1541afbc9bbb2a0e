"""Values that cannot cross a wire, and errors that would not be known on the other side."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scaffold.carving.interface import Behind, Interface
from scaffold.carving.sources import Source, Sources, arguments, bare, methods, unquoted
from scaffold.contents import Place

_PLAIN = frozenset(
    "None bool bytes date datetime decimal.Decimal fractions.Fraction float int str "
    "typing.LiteralString uuid.UUID".split()
)
_PLAIN_FROM = ("datetime.", "ipaddress.", "pathlib.", "pydantic.", "pydantic_core.")
_HOLDERS = frozenset(
    "Counter Collection Iterable List Dict Set FrozenSet Tuple Deque DefaultDict OrderedDict "
    "Mapping MutableMapping MutableSequence MutableSet Sequence defaultdict deque dict frozenset "
    "list set tuple Annotated Final NotRequired Optional ReadOnly Required Union".split()
)
_LIBRARIES = frozenset(
    {"builtins", "collections", "collections.abc", "typing", "typing_extensions"}
)
_NO_VALUES = {
    "Callable": "is a function",
    "Type": "is a class",
    "type": "is a class",
    "Any": "may be anything",
    "object": "may be anything",
    **dict.fromkeys(("AsyncIterable", "AsyncIterator", "AsyncGenerator"), "is a stream"),
    **dict.fromkeys(
        ("Iterator", "Generator", "Awaitable", "Coroutine", "AsyncContextManager"),
        "goes on when the call is over",
    ),
    **dict.fromkeys(("AbstractContextManager", "AbstractAsyncContextManager"), "is left open"),
    **dict.fromkeys(("IO", "TextIO", "BinaryIO"), "is an open file"),
}
_BUGS = frozenset({"AssertionError", "NotImplementedError", "RuntimeError", "TypeError"})


@dataclass(frozen=True)
class Fault:
    """Something in an interface that stays behind.

    Attributes:
        place: where it is declared, or raised; `what` says which part of which method.
        kind: "value" or "error".
        type: that cannot cross, as it is written.
        why: what it is.
    """

    place: Place
    kind: str
    type: str
    why: str


class Wire:
    """Tells what has a schema."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def faults(self, interface: Interface, inside: Sequence[str] = ()) -> Iterator[Fault]:
        """What the methods of an interface take and give that cannot, but for those that stay."""
        for method in interface.methods.values():
            if method.name in inside:
                continue
            source, node = method.source, method.node
            generic = {each.name for each in getattr(node, "type_params", ())}
            for each in arguments(node):
                if each.arg in ("self", "tx"):
                    continue
                at = Place(source.path, each.lineno, f"{method.name}: {each.arg}")
                yield from self._fault(at, each.annotation, source, generic)
            at = Place(source.path, node.lineno, f"{method.name}: its result")
            if node.returns:
                at = at._replace(line=node.returns.lineno)
            yield from self._fault(at, node.returns, source, generic)

    def _fault(
        self, at: Place, node: ast.expr | None, source: Source, generic: set[str]
    ) -> Iterator[Fault]:
        if node is None:
            yield Fault(at, "value", "?", "has no type")
            return
        for path, why in dict(self._wrong(node, source, frozenset(generic), ())).items():
            yield Fault(at._replace(what=f"{at.what}{path}"), "value", ast.unparse(node), why)

    def _wrong(
        self, node: ast.expr, source: Source, generic: frozenset[str], above: tuple[str, ...]
    ) -> Iterator[tuple[str, str]]:
        """The path to each part of a type that has no schema, and what it is."""
        node = unquoted(node)
        match node:
            case ast.Constant() | ast.List(elts=[]):
                return
            case ast.BinOp(left=left, right=right):
                for each in (left, right):
                    yield from self._wrong(each, source, generic, above)
                return
            case ast.Name(id=name) if name in generic:
                yield "", "may be of any type"
                return
        dotted = self._sources.canonical(source.dotted_name(bare(node)))
        library, _, last = dotted.rpartition(".")
        if library in (*_LIBRARIES, "contextlib", "") and last in _NO_VALUES:
            yield "", _NO_VALUES[last]
        elif last == "Literal" or dotted in _PLAIN or dotted.startswith(_PLAIN_FROM):
            return
        elif library in (*_LIBRARIES, "") and last in _HOLDERS:
            yield from self._inside(node, source, generic, above, last == "Annotated")
        elif dotted.startswith("io."):
            yield "", "is an open file"
        elif found := self._sources.find(dotted):
            yield from self._ours(dotted, *found, above)
            yield from self._inside(node, source, generic, above, False)
        else:
            yield "", "has no schema that is known"

    def _inside(
        self,
        node: ast.expr,
        source: Source,
        generic: frozenset[str],
        above: tuple[str, ...],
        is_first: bool,
    ) -> Iterator[tuple[str, str]]:
        if isinstance(node, ast.Subscript):
            parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            for each in parts[:1] if is_first else parts:
                yield from self._wrong(each, source, generic, above)

    def _ours(
        self, dotted: str, source: Source, node: ast.AST, above: tuple[str, ...]
    ) -> Iterator[tuple[str, str]]:
        if not isinstance(node, ast.ClassDef):
            value = getattr(node, "value", None)
            if isinstance(value, ast.Call):
                if source.dotted_name(value.func).endswith("NewType") and value.args[1:]:
                    yield from self._wrong(value.args[1], source, frozenset(), above)
                else:
                    yield "", "may be of any type"
            elif isinstance(value, ast.expr) and dotted not in above:
                yield from self._wrong(value, source, frozenset(), (*above, dotted))
            return
        if dotted in above:
            return
        kinds = list(self._sources.ancestry(dotted))
        last = {each.rpartition(".")[2] for each in kinds}
        if _is_row(node, kinds):
            yield "", "is a row of a table"
        elif last & {"BaseModel", "Enum", "IntEnum", "StrEnum", "Flag", "IntFlag"}:
            if "BaseModel" in last:
                yield from self._fields(dotted, (*above, dotted))
        elif last & {"NamedTuple", "TypedDict"} or self._is_dataclass(source, node):
            yield from self._fields(dotted, (*above, dotted))
        elif "__get_pydantic_core_schema__" in methods(node):
            return
        elif "Protocol" in last:
            yield "", "is an interface, not a value"
        else:
            yield "", "is a class without a schema: no dataclass, no model"

    def _fields(self, dotted: str, above: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        for kind in self._sources.ancestry(dotted):
            found = self._sources.class_of(kind)
            if not found or kind.startswith("app.platform."):
                continue
            source, node = found
            for each in node.body:
                if not isinstance(each, ast.AnnAssign) or not isinstance(each.target, ast.Name):
                    continue
                named = source.dotted_name(bare(each.annotation)).rpartition(".")[2]
                if named in ("ClassVar", "KW_ONLY") or self._is_variable(each.annotation, source):
                    continue
                for path, why in self._wrong(each.annotation, source, _generics(node), above):
                    if why != "may be of any type":  # Where it is used, it says which.
                        yield f".{each.target.id}{path}", why

    def _is_variable(self, node: ast.expr, source: Source) -> bool:
        found = self._sources.find(source.dotted_name(node))
        value = getattr(found[1], "value", None) if found else None
        return isinstance(value, ast.Call) and bool(found) and "TypeVar" in ast.unparse(value.func)

    @staticmethod
    def _is_dataclass(source: Source, node: ast.ClassDef) -> bool:
        named = (
            source.dotted_name(each.func if isinstance(each, ast.Call) else each)
            for each in node.decorator_list
        )
        return any(each.endswith("dataclass") or each == "dataclasses" for each in named)

    def errors(self, interface: Interface, behind: Behind) -> Iterator[Fault]:
        """Exceptions that callers may know of, and that are no domain errors."""
        package = self._sources.files[f"app.modules.{interface.module}"]
        for name, node in package.defined.items():
            if isinstance(node, ast.ClassDef) and self.is_foreign(f"{package.dotted}.{name}"):
                at = Place(package.path, node.lineno, f"class {name}")
                yield Fault(at, "error", name, "is no DomainError")
        seen = set()
        for method in interface.methods:
            for source, function in behind.of(method):
                for line, name in self._raised(source, function):
                    if (source.path, line) not in seen:
                        seen.add((source.path, line))
                        at = Place(source.path, line, f"{method} raises {name}")
                        yield Fault(at, "error", name, "is no DomainError")

    def is_foreign(self, dotted: str) -> bool:
        """Whether a class is an exception, and no domain error."""
        kinds = list(self._sources.ancestry(dotted))
        if any(each.startswith("app.platform.errors.") for each in kinds):
            return False
        return kinds[-1].endswith(("Error", "Exception"))

    def _raised(self, source: Source, function: ast.AST) -> Iterator[tuple[int, str]]:
        """What a function raises of that kind, and does not catch itself."""
        caught = {
            source.dotted_name(kind)
            for node in ast.walk(function)
            if isinstance(node, ast.ExceptHandler) and node.type
            for kind in ([*node.type.elts] if isinstance(node.type, ast.Tuple) else [node.type])
        }
        for node in ast.walk(function):
            if not isinstance(node, ast.Raise) or node.exc is None:
                continue
            named = source.dotted_name(
                node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            )
            kind = self._sources.canonical(named)
            is_class = kind.rpartition(".")[2][:1].isupper()
            if is_class and kind not in _BUGS and named not in caught and self.is_foreign(kind):
                yield node.lineno, kind.rpartition(".")[2]


def _generics(node: ast.ClassDef) -> frozenset[str]:
    return frozenset(each.name for each in getattr(node, "type_params", ()))


def _is_row(node: ast.ClassDef, kinds: list[str]) -> bool:
    tables = any(
        isinstance(target, ast.Name) and target.id == "__tablename__"
        for each in node.body
        if isinstance(each, ast.Assign)
        for target in each.targets
    )
    return tables or any(
        each.startswith("sqlalchemy.") and each.endswith(("DeclarativeBase", "MappedAsDataclass"))
        for each in kinds
    )
