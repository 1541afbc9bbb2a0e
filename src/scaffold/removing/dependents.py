"""Who needs a module: whatever would be broken without it, file by file."""

import ast
import re
import tomllib
from collections.abc import Collection, Iterator

from scaffold.contents import Contents, Place
from scaffold.repository import MODULES

_MODULES = f"{MODULES.as_posix()}/"
_OF_THE_TEMPLATE = ("src/app/platform/", "src/app/development/")
_NOT_READ = ("checks/", "tests/platform/")
"""They know no module; the tests of the platform bring their own."""


def find(name: str, contents: Contents, tables: Collection[str]) -> list[Place]:
    """List the lines outside a module's folder that need it.

    Args:
        name: of the module.
        contents: of all files.
        tables: that the module has; SQL is known by them.
    """
    word, sql = name.encode(), _sql(name, tables)
    found: list[Place] = []
    for path, content in contents.items():
        if word not in content or path.startswith((f"{_MODULES}{name}/", *_NOT_READ)):
            continue
        if path.startswith(_MODULES) and path.endswith("/module.toml"):
            found += _declared(path, content, name)
        elif path.endswith(".py"):
            found += _Python(path, name, sql).read(content)
        elif path.endswith(".sql") and sql:
            text = content.decode(errors="replace")
            found += (Place(path, _line(text, each), "SQL") for each in sql.finditer(text))
    return sorted(set(found))


def _sql(name: str, tables: Collection[str]) -> re.Pattern[str] | None:
    """What names a table of the module, with its schema."""
    if not tables:
        return None
    known = "|".join(map(re.escape, sorted(tables)))
    return re.compile(rf'(?<![\w.])"?{name}"?\s*\.\s*"?(?:{known}|alembic_version)\b')


def _line(text: str, found: re.Match[str]) -> int:
    return text.count("\n", 0, found.start()) + 1


def _declared(path: str, content: bytes, name: str) -> Iterator[Place]:
    text = content.decode(errors="replace")
    try:
        declared = tomllib.loads(text).get("depends_on", [])
    except tomllib.TOMLDecodeError:
        declared = [name]  # Whoever mends it sees what it says.
    if isinstance(declared, list) and name in declared:
        start = max(text.find("depends_on"), 0)
        named = re.compile(rf"""["']{name}["']""").search(text, start)
        yield Place(path, _line(text, named) if named else 1, "depends_on names it")


class _Python:
    """One file of Python."""

    def __init__(self, path: str, name: str, sql: re.Pattern[str] | None) -> None:
        self.path, self.name, self._sql = path, name, sql
        self._package = f"app.modules.{name}"
        self._in_text = re.compile(rf"app[./]modules[./]{name}(?!\w)")
        self._route = re.compile(rf"(?:https?://[^/\s]+)?/{name}(?=[/?#]|$)")
        self._taken: dict[str, str] = {}
        """What the file imports of the module, by its name here."""
        self._no_use: set[int] = set()
        """Texts that refer to nothing: docstrings, and the routes of another module's own."""

    def read(self, content: bytes) -> Iterator[Place]:
        try:
            tree = ast.parse(content)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 1
            yield Place(self.path, line, "names it, and is no Python: mend it first")
            return
        nodes = list(ast.walk(tree))
        for node in nodes:
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield from self._imported(node)
            self._pass_over(node)
        if self.path.startswith(_OF_THE_TEMPLATE):
            return
        for node in nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from self._asked(node)
            elif isinstance(node, ast.Call):
                yield from self._called(node)
            elif isinstance(node, ast.Constant) and id(node) not in self._no_use:
                yield from self._text(node)

    def _place(self, node: ast.AST, what: str) -> Place:
        return Place(self.path, getattr(node, "lineno", 1), what)

    def _imported(self, node: ast.Import | ast.ImportFrom) -> Iterator[Place]:
        if isinstance(node, ast.Import):
            full = {alias.name: alias for alias in node.names}
        else:
            start = self._absolute(node)
            full = {f"{start}.{alias.name}": alias for alias in node.names}
        ours = {
            each: alias
            for each, alias in full.items()
            if each == self._package or each.startswith(f"{self._package}.")
        }
        if ours:
            self._taken |= {alias.asname or alias.name: alias.name for alias in ours.values()}
            yield self._place(node, f"imports {', '.join(alias.name for alias in ours.values())}")

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.path.removeprefix("src/").removesuffix(".py").split("/")
        return ".".join([*parts[: -node.level], *([node.module] if node.module else [])])

    def _pass_over(self, node: ast.AST) -> None:
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            self._no_use.add(id(body[0].value))
        for each in getattr(node, "decorator_list", ()):
            self._no_use.update(map(id, each.args[:1] if isinstance(each, ast.Call) else ()))
        if isinstance(node, ast.keyword) and node.arg == "prefix":
            self._no_use.add(id(node.value))

    def _asked(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Place]:
        asked = node.args
        for each in (*asked.posonlyargs, *asked.args, *asked.kwonlyargs):
            names = {*_names(each.annotation)} & self._taken.keys() if each.annotation else ()
            for name in names:
                yield self._place(each, f"{node.name} takes {each.arg}: {self._taken[name]}")

    def _called(self, node: ast.Call) -> Iterator[Place]:
        for each in node.keywords:
            if each.arg == "subscriptions" and isinstance(each.value, ast.Dict):
                for key in each.value.keys:
                    for name in {*_names(key)} & self._taken.keys() if key else ():
                        yield self._place(key or node, f"hears {self._taken[name]}")
            elif each.arg in ("schema", "module") and _is_text(each.value, self.name):
                yield self._place(node, f"{each.arg}={self.name!r}")
        match node.func:
            case ast.Attribute(value=ast.Name(id=job), attr="enqueue") if job in self._taken:
                yield self._place(node, f"enqueues {self._taken[job]}")
            case ast.Name(id="Database") if any(_is_text(each, self.name) for each in node.args):
                yield self._place(node, "speaks as it to the database")

    def _text(self, node: ast.Constant) -> Iterator[Place]:
        text = node.value
        if not isinstance(text, str) or self.name not in text:
            return
        if self._in_text.search(text):
            yield self._place(node, "names it in a text")
        elif self._sql and (found := self._sql.search(text)):
            more = _line(text, found) - 1
            yield Place(self.path, node.lineno + more, f"SQL, or a key: {found[0]}")
        elif self._route.match(text):
            yield self._place(node, f"asks its routes: {text.splitlines()[0]}")


def _names(node: ast.AST) -> Iterator[str]:
    """The names in an expression, in texts as well: `list["Billing"]`."""
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            yield each.id
        elif isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield from re.findall(r"\w+", each.value)


def _is_text(node: ast.expr, text: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == text
