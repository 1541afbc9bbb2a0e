"""A tiny template with the real `copier.yml`, in a real git repository, and what runs on it."""

import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers import Result, Run, git, process, tree
from histories import MODULE, Template

from scaffold import cli

HERE = Path(__file__).parent
_SUITES = set(re.findall(r"call marked,(\w+)", (HERE.parent / "Makefile").read_text()))
"""Markers of which the Makefile looks for the files."""
FILES = {
    "{{ _copier_conf.answers_file }}.jinja": "{{ dict(_copier_answers, _commit=commit) | to_nice_yaml -}}\n",
    "README.md.jinja": "# {{ project_name }}\n\n{{ description }}\n",
    "CODEOWNERS.jinja": "* {{ owner }}\n{% for module in modules -%}\n"
    "/src/app/modules/{{ module }}/ {{ owner }}\n{% endfor -%}\n",
    ".gitignore": "__pycache__/\n",
    "src/app/modules/__init__.py": "",
    f"{MODULE}/__init__.py.jinja": "from typing import Protocol\n\n\n"
    "class {{ module.title().replace('_', '') }}(Protocol): ...\n",
    f"{MODULE}/module.toml.jinja": 'owner = "{{ owner }}"\n'
    "depends_on = [{% for name in depends_on | sort %}\"{{ name }}\"{{ ', ' if not loop.last }}"
    "{% endfor %}]\n",
    f"{MODULE}/wiring.py.jinja": "{% set M = module.title().replace('_', '') -%}\n"
    "def build(db: Database{% for name, interface in depends_on | dictsort %}, {{ name }}: "
    "{{ interface }}{% endfor %}) -> {{ M }}:\n    return {{ M }}Service(db)\n",
    f"{MODULE}/tests/test_{{{{ entity }}}}.py.jinja": "def test_{{ entity }}(): ...\n",
    f"{MODULE}/.copier-answers.module.yml.jinja": ""
    "_commit: {{ commit | tojson }}\n"
    "_src_path: {{ _copier_answers._src_path | tojson }}\nmodule: {{ module | tojson }}\n"
    "entity: {{ entity | tojson }}\nentities: {{ entities | tojson }}\ndepends_on: {{ depends_on | tojson }}\nowner: {{ owner | tojson }}\n",
}
EXAMPLE = {
    "__init__.py": "",
    "module.toml": 'owner = "@acme/hosts"\ndepends_on = []\n',
    ".copier-answers.module.yml.jinja": ""
    "_commit: {{ commit | tojson }}\n"
    "_src_path: {{ _copier_answers._src_path | tojson }}\n"
    "example: shop\nmodule: greeting\n",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that no process is left alone with it in the end.

    Raises UsageError where the Makefile would not find a test's marker, and no suite run it.
    """
    for item in items:
        for marker in _SUITES & {each.name for each in item.iter_markers()}:
            if f"mark.{marker}" not in item.path.read_text():
                raise pytest.UsageError(f"{item.path}: write `pytest.mark.{marker}` in this file")
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(autouse=True, scope="session")
def _environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nobody's git configuration, Copier settings or colours take part."""
    scratch = tmp_path_factory.mktemp("scratch")
    config = scratch / "gitconfig"
    config.write_text("[user]\n\tname = Tester\n\temail = tester@example.org\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_CONFIG_GLOBAL", str(config))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        patch.setenv("COPIER_SETTINGS_PATH", str(scratch / "settings.yml"))
        patch.setenv("COPIER_CACHE_DIR", str(scratch / "cache"))
        patch.delenv("NO_COLOR", raising=False)
        (scratch / "settings.yml").write_text("{}\n")
        yield


@pytest.fixture(autouse=True)
def _interrupts() -> Iterator[None]:
    """A command that has written stops listening to Ctrl-C; the next test listens again."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template: v0.1.0, v0.2.0 (one more file per module, an example), and a commit behind."""
    root = tmp_path_factory.mktemp("templates") / "template"
    for name, content in FILES.items():
        file = root / "template" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    shutil.copy(HERE.parent / "copier.yml", root)
    shutil.copytree(HERE.parent / "skeletons", root / "skeletons")
    git(root, "init", "--quiet", "--initial-branch=main")
    for tag in ("v0.1.0", "v0.2.0", ""):
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--allow-empty", "--message", tag or "later")
        if tag:
            git(root, "tag", tag)
            (root / "template" / MODULE / "NEW.md").write_text("only since v0.2.0\n")
            (root / "examples/shop/greeting").mkdir(parents=True, exist_ok=True)
            for name, content in EXAMPLE.items():
                (root / "examples/shop/greeting" / name).write_text(content)
    return root


@pytest.fixture(scope="session")
def pristine(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository at v0.1.0 with `catalog` and `ordering`. Do not write to it."""
    folder = tmp_path_factory.mktemp("pristine")
    done = process(
        "new", "shop", "--defaults", "--from", str(template), "--ref", "v0.1.0", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return folder / "shop"


@pytest.fixture
def shop(pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of one's own; the current folder is in it."""
    folder = tmp_path / "shop"
    shutil.copytree(pristine, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def prepared(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A template, and a repository of its version 1 with catalog, ordering and, later, billing."""
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "origin").mkdir()
    Template(folder / "origin").begin((template / "copier.yml").read_text(), FILES)
    shop = folder / "shop"
    for arguments in (
        ("new", str(shop), "--defaults", "--from", str(folder / "origin")),
        ("add-module", "billing", "-C", str(shop)),
    ):
        assert process(*arguments, cwd=folder).returncode == 0
    git(shop, "add", "--all")
    git(shop, "commit", "--quiet", "--message", "Add billing")
    return folder


@pytest.fixture
def origin(prepared: Path, tmp_path: Path) -> Template:
    shutil.copytree(prepared / "origin", tmp_path / "origin")
    return Template(tmp_path / "origin")


@pytest.fixture
def team(prepared: Path, origin: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That repository, as one of one's own; the current folder is in it."""
    shop = tmp_path / "shop"
    shutil.copytree(prepared / "shop", shop)
    for answers in shop.rglob(".copier-answers*.yml"):
        answers.write_text(answers.read_text().replace(str(prepared), str(tmp_path)))
    git(shop, "commit", "--all", "--quiet", "--message", "Find the template")
    monkeypatch.chdir(shop)
    return shop


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process, which has paid for its imports already."""

    def _run(*arguments: str) -> Result:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["scaffold", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        said = capfd.readouterr()
        return Result(int(stopped.value.code or 0), said.out, said.err)

    return _run


@pytest.fixture
def refused(run: Run) -> Callable[..., str]:
    """Run a command that must be refused, in one sentence; returns the sentence."""

    def _refused(*arguments: str) -> str:
        before = tree(Path.cwd())
        result = run(*arguments)
        assert result.code == 1, result
        assert result.out == ""
        assert result.err.startswith("scaffold: ")
        assert result.err.count("\n") == 1, result.err
        assert "Traceback" not in result.err
        assert tree(Path.cwd()) == before
        return result.err

    return _refused


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of one's own, where copies of templates are kept."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PATH on which nothing is."""
    empty = tmp_path / "bin"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))
