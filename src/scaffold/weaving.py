"""Put the parts of one Python file into another, line by line: what stands there stays as it is."""

import ast
import re
import textwrap
from collections.abc import Iterable, Sequence


class NotUnderstoodError(Exception):
    """A file is not of the form that could be added to. The message says why."""


Definition = ast.ClassDef | ast.FunctionDef


class Weaving:
    """A file, what is to be added to it, and what has been so far.

    Args:
        content: of the file.
        part: of a file that has nothing but what is to be added, and the classes it belongs in.
    """

    def __init__(self, content: bytes, part: bytes) -> None:
        self._content, self._part = content, part.decode()
        self._starts = [0, *(end.end() for end in re.finditer(rb"\n", content))]
        try:
            self._tree, self._other = ast.parse(content), ast.parse(part)
        except (SyntaxError, ValueError) as error:
            raise NotUnderstoodError(f"it is no Python ({error})") from None
        self._insertions: list[tuple[int, bytes]] = []

    def result(self) -> bytes:
        """The file with what has been added."""
        content, end = self._content, b"\r\n" if b"\r\n" in self._content else b"\n"
        numbered = [(at, n, text) for n, (at, text) in enumerate(self._insertions)]
        for at, _, text in sorted(numbered, reverse=True):  # So that the places hold.
            content = content[:at] + text.replace(b"\n", end) + content[at:]
        return content

    def is_done(self, shared: Iterable[str]) -> bool:
        """Whether all that the part defines is there already, by whoever did that.

        Raises:
            NotUnderstoodError: where some of it is.
        """
        wanted, there = self._defined(self._other, shared), self._defined(self._tree, shared)
        if taken := sorted(wanted & there):
            if wanted <= there:
                return True
            raise NotUnderstoodError(f"it has {', '.join(taken)} already")
        return False

    def add_imports(self) -> None:
        """Import what the part imports."""
        there = {each for node in self._tree.body for each in _imported(node)}
        bound = {each[-1] for each in there} | self._defined(self._tree, ())
        lines = []
        for node in self._other.body:
            for each in _imported(node):
                if each not in there:
                    if each[-1] in bound:
                        raise NotUnderstoodError(f"{each[-1]} is something else there")
                    lines.append(_statement(each))
        if lines:
            self._insertions.append((self._behind_imports(), "".join(lines).encode()))

    def add_definitions(self, shared: str) -> None:
        """Add the classes and functions of the part: those that stand above a class that both have,
        above it, and those below it at the end."""
        target = self._class(shared)
        first = min((each.lineno for each in target.decorator_list), default=target.lineno)
        lines = self._content.splitlines()
        while first > 1 and lines[first - 2].startswith(b"#"):
            first -= 1  # What is said of a class stays above it.
        at, above = self._starts[first - 1], True
        for node in self._other.body:
            if isinstance(node, Definition):
                if node.name == shared:
                    above = False
                elif above:
                    self._insertions.append((at, f"{self._source(node)}\n\n\n".encode()))
                else:
                    text = f"\n\n\n{self._source(node)}"
                    self._insertions.append((len(self._content.rstrip()), text.encode()))

    def add_methods(self, name: str) -> None:
        """Add the methods of a class that both have, at its end."""
        target = self._class(name)
        last = target.body[-1]
        if last.lineno == target.lineno or target.body[0].lineno == target.lineno:
            raise NotUnderstoodError(f"the class {name} stands on one line")
        indent = " " * target.body[0].col_offset
        for other in self._other.body:
            if isinstance(other, ast.ClassDef) and other.name == name:
                for node in other.body:
                    if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef):
                        text = textwrap.indent(textwrap.dedent(self._source(node)), indent)
                        self._insertions.append((self._line_end(last), f"\n\n{text}".encode()))

    def add_base(self, name: str) -> None:
        """Let a class inherit from what that of the part does, in front of all others."""
        target = self._class(name)
        (other,) = (
            each
            for each in self._other.body
            if isinstance(each, ast.ClassDef) and each.name == name
        )
        wanted = [ast.unparse(each) for each in other.bases]
        if {ast.unparse(each) for each in target.bases} >= set(wanted):
            return
        if target.bases:
            at = self._offset(target.bases[0].lineno, target.bases[0].col_offset)
            self._insertions.append((at, "".join(f"{each}, " for each in wanted).encode()))
            return
        start = self._offset(target.lineno, target.col_offset)
        head = re.compile(rb"class\s+\w+[ \t]*(\([ \t]*\))?(?=[ \t]*:)").match(self._content, start)
        if head is None:
            raise NotUnderstoodError(f"the head of the class {name} is of an unusual form")
        at = head.start(1) + 1 if head[1] else head.end()
        bases = ", ".join(wanted)
        self._insertions.append((at, (bases if head[1] else f"({bases})").encode()))

    def sets(self, name: str, attributes: Sequence[str]) -> None:
        """Make sure that `__init__` of a class sets attributes of `self`.

        Raises:
            NotUnderstoodError: where it does not.
        """
        target = self._class(name)
        made = [each for each in target.body if isinstance(each, ast.FunctionDef)]
        found = {
            node.attr
            for each in made
            if each.name == "__init__"
            for node in ast.walk(each)
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        }
        if missing := [each for each in attributes if each not in found]:
            raise NotUnderstoodError(
                f"{name}.__init__ does not set {', '.join(f'self.{each}' for each in missing)}"
            )

    def add_calls(self, name: str) -> None:
        """Add the calls of a function that both have, with the names that its parameters and what
        it returns have there.

        They stand in front of its last `return`, and of routes that it declares itself: one of
        `/{id}` would catch those of the part.
        """
        target, other = self._function(self._tree, name), self._function(self._other, name)
        last = target.body[-1]
        if not (isinstance(last, ast.Return) and isinstance(last.value, ast.Name)):
            raise NotUnderstoodError(f"{name} does not end by returning a variable")
        ours = {_annotation(each): each.arg for each in target.args.args}
        renamed = {"router": last.value.id}
        for each in other.args.args:
            if _annotation(each) not in ours:
                raise NotUnderstoodError(f"{name} takes no {_annotation(each)}")
            renamed[each.arg] = ours[_annotation(each)]
        at = self._offset(last.lineno, 0)
        routes = [n for n, each in enumerate(target.body) if _is_route(each, last.value.id)]
        if routes and routes[0]:
            at = self._next_line(target.body[routes[0] - 1])
        called = {ast.unparse(each.func) for each in ast.walk(target) if isinstance(each, ast.Call)}
        for node in other.body:
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                if ast.unparse(node.value.func) in called:
                    continue
                for name_of in ast.walk(node):
                    if isinstance(name_of, ast.Name):
                        name_of.id = renamed.get(name_of.id, name_of.id)
                text = f"{' ' * last.col_offset}{ast.unparse(node)}\n"
                self._insertions.append((at, text.encode()))

    def add_keywords(self, name: str) -> bool:
        """Hand on to the call that a variable is set to what that of the part hands on.

        Returns:
            whether any of it was missing.
        """
        target, other = self._call(self._tree, name), self._call(self._other, name)
        there = {each.arg for each in target.keywords}
        wanted = [each for each in other.keywords if each.arg not in there]
        if not wanted:
            return False
        everything = [*target.args, *(each.value for each in target.keywords)]
        if not everything:
            raise NotUnderstoodError(f"{name} is made of nothing")
        last = max(everything, key=lambda each: (each.end_lineno or 0, each.end_col_offset or 0))
        text = "".join(f", {each.arg}={ast.unparse(each.value)}" for each in wanted)
        at = self._offset(last.end_lineno or 0, last.end_col_offset or 0)
        self._insertions.append((at, text.encode()))
        return True

    def _class(self, name: str) -> ast.ClassDef:
        for node in self._tree.body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                return node
        raise NotUnderstoodError(f"it has no class {name}")

    def _function(self, tree: ast.Module, name: str) -> ast.FunctionDef:
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name == name:
                return node
        raise NotUnderstoodError(f"it has no function {name}")

    def _call(self, tree: ast.Module, name: str) -> ast.Call:
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                names = [each.id for each in node.targets if isinstance(each, ast.Name)]
                if names == [name]:
                    return node.value
        raise NotUnderstoodError(f"it sets no variable {name} to what it calls")

    def _defined(self, tree: ast.Module, shared: Iterable[str]) -> set[str]:
        """What a file defines, and the methods of classes that are shared."""
        found: set[str] = set()
        for node in tree.body:
            if isinstance(node, Definition):
                if node.name not in shared:
                    found.add(node.name)
                elif isinstance(node, ast.ClassDef):
                    functions = (ast.AsyncFunctionDef, ast.FunctionDef)
                    methods = [each for each in node.body if isinstance(each, functions)]
                    found |= {f"{node.name}.{each.name}" for each in methods}
        return found

    def _source(self, node: Definition | ast.AsyncFunctionDef) -> str:
        """The lines of a definition of the part, its decorators included."""
        first = min((each.lineno for each in node.decorator_list), default=node.lineno)
        return "\n".join(self._part.splitlines()[first - 1 : node.end_lineno])

    def _behind_imports(self) -> int:
        """Where another import can stand: behind the last one, or the docstring, or first."""
        body = self._tree.body
        imports = [each for each in body if isinstance(each, ast.Import | ast.ImportFrom)]
        if imports:
            return self._next_line(imports[-1])
        if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            return self._next_line(body[0])
        return 0

    def _next_line(self, node: ast.stmt) -> int:
        line = node.end_lineno or node.lineno
        if line >= len(self._starts):
            raise NotUnderstoodError("its last line does not end")
        return self._starts[line]

    def _line_end(self, node: ast.stmt) -> int:
        """Where the last line of a statement ends."""
        line = node.end_lineno or node.lineno
        found = re.compile(rb"[^\r\n]*").match(self._content, self._starts[line - 1])
        assert found is not None
        return found.end()

    def _offset(self, line: int, column: int) -> int:
        return self._starts[line - 1] + column


_Imported = tuple[int, str, str, str]
"""The dots, the module, the name and what that is called."""


def _imported(node: ast.stmt) -> Iterable[_Imported]:
    if isinstance(node, ast.ImportFrom):
        for alias in node.names:
            yield node.level, node.module or "", alias.name, alias.asname or alias.name
    elif isinstance(node, ast.Import):
        for alias in node.names:
            yield 0, "", alias.name, alias.asname or alias.name


def _statement(each: _Imported) -> str:
    level, module, name, local = each
    head = f"from {'.' * level}{module} import" if level or module else "import"
    return f"{head} {name}{f' as {local}' if local != name else ''}\n"


def _is_route(node: ast.stmt, router: str) -> bool:
    """Whether a function is decorated as `@router.get(…)`."""
    return isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) and any(
        ast.unparse(each).startswith(f"{router}.") for each in node.decorator_list
    )


def _annotation(parameter: ast.arg) -> str:
    return ast.unparse(parameter.annotation) if parameter.annotation else ""
