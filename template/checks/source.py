"""Every Python file of the repository, read once; unchanged files come from a cache."""

import ast
import gc
import hashlib
import os
import pickle
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from checks.findings import Finding
from checks.handles import read_handles
from checks.names import BUILTINS, GLOBALS, Names, Reference
from checks.queries import Constant, read_constants, read_queries
from checks.texts import Texts

ROOT = Path(__file__).parents[1]
MODULES = ROOT / "src" / "app" / "modules"
BELOW_MODULES = ("app.platform.", "app.development.", "tests.platform.")
"""What may find and import modules by itself, and switch roles."""
_CACHE = ROOT / ".checks_cache" / "files"
_NOT_OURS = {
    str(ROOT / name) for name in ("checks", "build", "dist", "node_modules", "tests/platform")
}
"""The tests of the platform stand beside no module: they bring their own."""
_COMPOSED = re.compile(r"app\.(modules|platform)\.\w[\w.:]*|__globals__")
_PUT_TOGETHER: set[type[ast.AST]] = {ast.BinOp, ast.Call, ast.JoinedStr}
_WATCHED = {
    "app",
    "asyncpg",
    "gc",
    "importlib",
    "inspect",
    "pkgutil",
    "pydantic",
    "sqlalchemy",
    "sys",
    GLOBALS,
    *BUILTINS,
}


class Violation(NamedTuple):
    """What is wrong, where, and what to do."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


@dataclass(frozen=True)
class Source:
    """What the checks want to know about one file."""

    path: str
    name: str
    """The dotted name, as if every file could be imported: migrations cannot."""
    imports: frozenset[Reference]
    reached: frozenset[Reference]
    """Names reached in other ways: `billing.service`, `"app.modules.billing.service"`."""
    handed: frozenset[Reference]
    """Packages that are used as a value."""
    handles: frozenset[Reference]
    """What is taken from a transaction and the like that it does not show."""
    defined: frozenset[str]
    """What the file itself defines at its top: of a package, its face."""
    queries: frozenset[Finding]
    constants: Mapping[str, Constant]


def module_of(name: str) -> str | None:
    """Return the module that `app.modules.billing.service` stands in."""
    parts = name.split(".")
    return parts[2] if parts[:2] == ["app", "modules"] and len(parts) > 2 else None


@cache
def module_names() -> frozenset[str]:
    """Return the names of all modules: whatever holds Python files in `app/modules`."""
    return frozenset(module for file in read_sources() if (module := module_of(file.name)))


def toml_of(module: str) -> str:
    """Return where a module declares itself, from the root of the repository."""
    return f"src/app/modules/{module}/module.toml"


def depends_on(module: str) -> list[str]:
    """Return what a module declares in its `module.toml`; nothing where it has none."""
    try:
        return list(
            tomllib.loads((ROOT / toml_of(module)).read_text("utf-8")).get("depends_on", [])
        )
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise SystemExit(f"{toml_of(module)}:1: {error}. Correct the file first.") from None


@cache
def read_sources() -> list[Source]:
    """Read the files of this repository, this folder excepted."""
    version = hashlib.sha256(
        b"".join(f.read_bytes() for f in sorted(Path(__file__).parent.glob("*.py")))
    )
    known = _load(version.hexdigest())
    fresh: dict[tuple[str, bytes], Source] = {}
    gc.disable()  # It would look through each syntax tree many times, and find little.
    for path in _files(str(ROOT)):
        content = Path(path).read_bytes()
        key = (os.path.relpath(path, ROOT), hashlib.sha256(content).digest())
        fresh[key] = known.get(key) or _read(key[0], content)
    gc.enable()
    if fresh.keys() != known.keys():
        _CACHE.parent.mkdir(exist_ok=True)
        _CACHE.write_bytes(pickle.dumps((version.hexdigest(), fresh)))
    return list(fresh.values())


def linked_folders() -> list[str]:
    """Return the folders of this repository's source that are links: Python follows them, we do not."""
    return [
        os.path.relpath(path, ROOT)
        for folder, names, _ in os.walk(ROOT / "src")
        for name in names
        if os.path.islink(path := os.path.join(folder, name))
    ]


def _load(version: str) -> dict[tuple[str, bytes], Source]:
    try:
        saved, files = pickle.loads(_CACHE.read_bytes())
    except Exception:  # Missing, cut off, or written by another version: read everything again.
        return {}
    return files if saved == version else {}


def _files(folder: str) -> Iterator[str]:
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    if any(entry.name == "pyvenv.cfg" for entry in entries):
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if entry.path not in _NOT_OURS and not entry.name.startswith("."):
                yield from _files(entry.path)
        elif entry.name.endswith(".py"):
            yield entry.path


def _read(path: str, content: bytes) -> Source:
    parts = Path(path).with_suffix("").parts
    name = ".".join(parts[1:] if parts[0] == "src" else parts)
    package = name.removesuffix(".__init__") if parts[-1] == "__init__" else name.rpartition(".")[0]
    try:
        tree = ast.parse(content)
    except SyntaxError as error:
        raise SystemExit(f"{path}:{error.lineno}: {error.msg}. Correct the syntax first.") from None
    names = Names(tree, package)
    composed = [] if name.startswith(BELOW_MODULES) else _composed(names)
    watched = frozenset(each for each in names.reached if each.name.split(".")[0] in _WATCHED)
    ignored = {
        Reference(number, "type: ignore")
        for number, line in enumerate(content.splitlines(), 1)
        if b"type: ignore" in line
    }
    name = name.removesuffix(".__init__")
    return Source(
        path=path,
        name=name,
        imports=names.imports,
        reached=watched | ignored | frozenset(composed),
        handed=frozenset(each for each in names.handed if each.name.startswith("app")),
        handles=read_handles(names),
        defined=names.defined(),
        queries=read_queries(names, content),
        constants=read_constants(names) if name.startswith("app.modules.") else {},
    )


def _composed(names: Names) -> Iterator[Reference]:
    """Find names that are put together: `"app.modules" + ".billing.service"`."""
    texts = Texts(names)
    for node in names.nodes:
        if type(node) in _PUT_TOGETHER and isinstance(node, ast.expr):
            found = _COMPOSED.fullmatch(texts.read(node) or "")
            if found is not None:
                yield Reference(node.lineno, found[0].replace(":", "."))
