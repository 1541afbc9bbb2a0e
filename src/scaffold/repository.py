"""What a generated repository says about itself: its root, its answers, its modules."""

import ast
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaffold.errors import ScaffoldError

ANSWERS = ".copier-answers.yml"
MODULE_ANSWERS = ".copier-answers.module.yml"
MODULES = Path("src", "app", "modules")


@dataclass(frozen=True)
class Module:
    """One module, as its folder describes it. Missing template answers are empty."""

    name: str
    owner: str
    depends_on: list[str]
    entity: str
    version: str


@dataclass(frozen=True)
class Template:
    """Where a repository or a module was rendered from, and the answers given."""

    source: str
    version: str
    answers: dict[str, Any]


def find_root(start: Path) -> Path:
    """Walk up from a folder to the generated repository around it."""
    start = start.resolve()
    if not start.is_dir():
        raise ScaffoldError(f"{start} is no folder; pass one inside a repository with -C")
    for folder in (start, *start.parents):
        if (folder / MODULES).is_dir():
            if (folder / ANSWERS).is_file():
                return folder
            raise ScaffoldError(
                f"{folder / ANSWERS} is missing, so the template of this repository is unknown; "
                "restore it from git, or find it out with `scaffold adopt`"
            )
    raise ScaffoldError(
        f"{start} is not inside a generated repository; go into one, or make one with "
        "`scaffold new DIR`"
    )


def read_template(file: Path, content: bytes | None = None) -> Template:
    """Read an answers file, or what it was in some commit.

    It must name a source and a version that later updates can find.
    """
    recorded = _read_yaml(file, content)
    for key in ("_src_path", "_commit"):
        value = recorded.get(key)
        if not isinstance(value, str) or not value.strip():
            raise ScaffoldError(f"{file} does not say {key} as text; restore it from git")
    answers = {str(k): v for k, v in recorded.items() if not str(k).startswith("_")}
    return Template(recorded["_src_path"], recorded["_commit"], answers)


def module_names(root: Path) -> list[str]:
    """The folders and files that take up a module's name, sorted."""
    taken = (path.stem for path in (root / MODULES).iterdir())
    return sorted(name for name in taken if not name.startswith(("_", ".")))


def read_modules(root: Path) -> list[Module]:
    """Every module, by name. A package without a module.toml is refused, other folders are not."""
    folders = [root / MODULES / name for name in module_names(root)]
    return [read_module(folder) for folder in folders if (folder / "__init__.py").is_file()]


def read_module(folder: Path) -> Module:
    """Read one module's folder."""
    settings = read_settings(folder)
    answers = folder / MODULE_ANSWERS
    recorded = _read_yaml(answers) if answers.exists() else {}
    return Module(
        name=folder.name,
        owner=settings["owner"],
        depends_on=settings["depends_on"],
        entity=str(recorded.get("entity", "")),
        version=str(recorded.get("_commit", "")),
    )


def read_settings(folder: Path) -> dict[str, Any]:
    """Read module.toml; `owner` is text and `depends_on` a list of text for sure."""
    file = folder / "module.toml"
    try:
        settings = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise ScaffoldError(f"{file} is missing; restore it from git") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScaffoldError(f"{file} is no TOML ({error}); mend it") from None
    depends_on = settings.setdefault("depends_on", [])
    if not isinstance(depends_on, list) or not all(isinstance(name, str) for name in depends_on):
        raise ScaffoldError(f"{file}: depends_on must be a list of module names; mend it")
    if not isinstance(settings.setdefault("owner", ""), str):
        raise ScaffoldError(f"{file}: owner must be text, such as '@acme/payments'; mend it")
    return settings


def interface(folder: Path) -> str:
    """The class name of a module's interface: what `build` in its wiring.py returns."""
    returned = build(folder).returns
    if isinstance(returned, ast.Constant) and isinstance(returned.value, str):
        name = returned.value
    else:
        name = ast.unparse(returned) if returned else ""
    if not name.isidentifier():
        raise ScaffoldError(
            f"{folder / 'wiring.py'}: build does not say which interface it returns; "
            "annotate it: def build(…) -> Billing"
        )
    return name


def build(folder: Path) -> ast.FunctionDef:
    """The function in a module's wiring.py that makes its implementation."""
    file = folder / "wiring.py"
    try:
        tree = ast.parse(file.read_bytes())
    except FileNotFoundError:
        raise ScaffoldError(f"{file} is missing; restore it from git") from None
    except (SyntaxError, ValueError) as error:
        raise ScaffoldError(f"{file} is no Python ({error}); mend it") from None
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "build":
            return node
    raise ScaffoldError(f"{file} has no function build; add def build(…) -> Billing")


def implementation(folder: Path) -> str:
    """The class name of a module's implementation: of what `build` in its wiring.py makes."""
    for node in ast.walk(build(folder)):
        made = node.value if isinstance(node, ast.Return) else None
        if isinstance(made, ast.Call) and isinstance(made.func, ast.Name):
            return made.func.id
    raise ScaffoldError(
        f"{folder / 'wiring.py'}: build does not return what it makes, as in `return "
        "BillingService(db)`; write it so"
    )


def heads(folder: Path) -> tuple[list[str], set[str]]:
    """The newest migrations of a module, on which the next one builds, and all there are."""
    before: set[str] = set()
    found: set[str] = set()
    for file in sorted((folder / "migrations").glob("*.py")):
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError) as error:
            raise ScaffoldError(f"{file} is no Python ({error}); mend it") from None
        for node in tree.body:
            name, value = _assigned(node)
            if name == "revision":
                found |= set(value)
            elif name == "down_revision":
                before |= set(value)
    return sorted(found - before), found


def _assigned(node: ast.stmt) -> tuple[str, list[str]]:
    """What a variable is set to, where that is text or several of them."""
    if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
        return "", []
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    parts = [each.value for each in ast.walk(node.value) if isinstance(each, ast.Constant)]
    name = target.id if isinstance(target, ast.Name) else ""
    return name, [part for part in parts if isinstance(part, str)]


def answers_files(folder: Path) -> list[Path]:
    """Whatever Copier reads below a folder: the repository's own answers first, then modules'."""
    modules = sorted((folder / MODULES).glob(f"*/{MODULE_ANSWERS}"))
    files = [folder / ANSWERS, folder / MODULE_ANSWERS, *sorted(folder.glob(f"*/{MODULE_ANSWERS}"))]
    return [file for file in [*files, *modules] if file.is_file()]


def recorded(file: Path, source: str, version: str | None) -> bytes:
    """The content of an answers file with another source, and version if given; else as it is."""
    import yaml

    lines = file.read_bytes().decode("utf-8").splitlines(keepends=True)
    for key, value in (("_src_path", source), ("_commit", version)):
        for number, line in enumerate(lines):
            if value is None or not line.startswith(f"{key}:"):
                continue
            more = 1  # a long value goes on in the lines below it
            while number + more < len(lines) and lines[number + more][0] in " \t":
                more += 1
            plain = yaml.safe_dump(value, width=10_000).removesuffix("\n...\n").strip()
            written = json.dumps(value) if '"' in line else plain
            end = line[len(line.rstrip("\r\n")) :]
            lines[number : number + more] = [f"{key}: {written}{end}"]
    return "".join(lines).encode()


def load_yaml(content: bytes | str) -> Any:
    """What a document says. Raises ValueError where it cannot be read."""
    import yaml  # not needed where nothing is read

    try:
        return yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None


def _read_yaml(file: Path, content: bytes | None = None) -> dict[Any, Any]:
    try:
        read = load_yaml(file.read_bytes() if content is None else content)
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise ScaffoldError(f"{file} is no YAML ({reason}); restore it from git") from None
    if not isinstance(read, dict):
        raise ScaffoldError(f"{file} holds no answers; restore it from git")
    return read
