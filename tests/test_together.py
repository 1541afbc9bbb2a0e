"""Two users, two homes, no common folder: both add modules to one repository, and update it.

What is real: git and its repositories, the wheel and its environment, and plain Copier. The first
user's home is gone by the time the second begins.
"""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from generated import UV
from helpers import SOURCES, command, git, tree

ROOT = SOURCES.parent
APP = ".copier-answers.yml"
MODULES = "src/app/modules/*/.copier-answers.module.yml"
BROUGHT = ("copier.yml", "template-changes.yaml", "template", "skeletons", "examples/shop")
BUNDLED = "~/.cache/scaffold-monolith/template"


@dataclass(frozen=True)
class User:
    """Somebody with a home and a machine of their own, and what they type to run scaffold."""

    home: Path
    scaffold: list[str]

    def run(self, *arguments: str, cwd: Path | None = None, code: int = 0) -> str:
        """Run a program; returns what it printed."""
        done = subprocess.run(
            arguments,
            cwd=cwd or self.home,
            env={
                **os.environ,
                "HOME": str(self.home),
                "COPIER_CACHE_DIR": str(self.home / "copier"),
            },
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    def new(self, *arguments: str) -> str:
        """Generate a repository, and push it."""
        said = self.run(*self.scaffold, "new", "shop", "--defaults", *arguments)
        self.run(
            "git", "push", "--quiet", str(self.home.parent / "shop.git"), "main", cwd=self.shop
        )
        return said

    def add_module(self, name: str) -> None:
        self.run(*self.scaffold, "add-module", name, cwd=self.shop)
        git(self.shop, "add", "--all")
        git(self.shop, "commit", "--quiet", "--message", name)

    def update(self) -> None:
        """Update the repository, and the module that was added first."""
        copier = (str(Path(sys.executable).with_name("copier")), "update", "--defaults", "--quiet")
        module = ("--answers-file", ".copier-answers.module.yml", "src/app/modules/billing")
        for arguments in (), module:
            self.run(*copier, *arguments, cwd=self.shop)
            git(self.shop, "add", "--all")
            git(self.shop, "commit", "--quiet", "--message", "update")

    @property
    def shop(self) -> Path:
        return self.home / "shop"

    def recorded(self, *without: str) -> set[tuple[str, str]]:
        """Source and version of the repository and each module, but for some."""
        files = [self.shop / APP, *self.shop.glob(MODULES)]
        found = [
            yaml.safe_load(file.read_text()) for file in files if file.parent.name not in without
        ]
        return {(each["_src_path"], each["_commit"]) for each in found}


@pytest.fixture
def second(tmp_path: Path) -> Callable[[User], User]:
    """Let the first user and all of theirs be gone; the second has nothing but a clone."""
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "shop.git")

    def _second(first: User) -> User:
        first.home.rename(tmp_path / "gone")
        bob = User(tmp_path / "bob", [each.replace("/ann/", "/bob/") for each in first.scaffold])
        bob.home.mkdir(exist_ok=True)
        bob.run("git", "clone", "--quiet", str(tmp_path / "shop.git"), "shop")
        return bob

    return _second


@pytest.fixture
def ann(tmp_path: Path) -> Path:
    (tmp_path / "ann").mkdir()
    return tmp_path / "ann"


@pytest.fixture
def published(template: Path, tmp_path: Path) -> str:
    """The address of the template; it is a checkout of scaffold as well."""
    work = tmp_path / "work"
    shutil.copytree(template, work)
    ignored = shutil.ignore_patterns("__pycache__", ".*_cache")
    shutil.copytree(SOURCES, work / "src", ignore=ignored)
    (work / ".gitignore").write_text("__pycache__/\n")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message", "scaffold")
    git(work, "tag", "v0.3.0")
    git(work, "tag", "latest")
    git(tmp_path, "clone", "--quiet", "--bare", "work", "template.git")
    return (tmp_path / "template.git").as_uri()


def release(folder: Path) -> None:
    """Publish the template's next release, which changes the repository and each module."""
    work = folder / "work"
    for file in (work / "template").rglob("NEW.md"):
        file.write_text("since v9.0.0\n")
    (work / "template" / "CHANGED.md").write_text("since v9.0.0\n")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message", "v9.0.0")
    git(work, "tag", "--annotate", "--message", "9", "v9.0.0")  # what `git describe` prefers
    git(work, "tag", "--force", "latest")
    git(work, "push", "--quiet", "--force", "--tags", str(folder / "template.git"), "main")


def check_updated(user: User, source: str) -> None:
    assert user.recorded("tax", "late") == {(source, "v9.0.0")}
    assert (user.shop / "CHANGED.md").read_text() == "since v9.0.0\n"
    for name in ("catalog", "billing"):
        assert (user.shop / f"src/app/modules/{name}/NEW.md").read_text() == "since v9.0.0\n"


@pytest.mark.slow
@pytest.mark.parametrize("by", ["checkout", "url"])
def test_two_users_share_a_repository(published, second, ann, tmp_path, by):
    if by == "checkout":
        git(ann, "clone", "--quiet", published, "scaffold")
        sources = str(ann / "scaffold" / "src")
        first, arguments = User(ann, ["env", f"PYTHONPATH={sources}", *command()[2:]]), []
    else:
        first, arguments = User(ann, command()), ["--from", published]
    said = first.new(*arguments)
    assert "warning" not in said
    first.add_module("billing")
    first.run("git", "push", "--quiet", str(tmp_path / "shop.git"), "main", cwd=first.shop)
    bob = second(first)
    if by == "checkout":
        git(bob.home, "clone", "--quiet", published, "scaffold")
    bob.add_module("tax")
    assert bob.recorded() == {(published, "v0.3.0")}
    if by == "url":
        release(tmp_path)
        bob.update()
        check_updated(bob, published)
        bob.add_module("next")
        assert bob.recorded("tax") == {(published, "v9.0.0")}


@pytest.mark.slow
def test_a_checkout_without_an_address_is_given_one_later(published, second, ann, tmp_path):
    git(ann, "clone", "--quiet", published, "scaffold")
    git(ann / "scaffold", "remote", "remove", "origin")
    sources = str(ann / "scaffold" / "src")
    first = User(ann, ["env", f"PYTHONPATH={sources}", *command()[2:]])
    assert "`scaffold template URL`" in first.new()
    bob = second(first)
    refused = bob.run(*command("add-module", "tax"), cwd=bob.shop, code=1)
    assert "SCAFFOLD_TEMPLATE, record where it is now with `scaffold template URL`" in refused
    bob.run(*command("template", published), cwd=bob.shop)
    git(bob.shop, "commit", "--quiet", "--all", "--message", "address")
    User(bob.home, command()).add_module("tax")
    assert bob.recorded() == {(published, "v0.3.0")}


# By wheel.


def build(source: Path, into: Path, *arguments: str) -> Path:
    subprocess.run([UV, "build", "--quiet", "-o", str(into), *arguments], cwd=source, check=True)
    return next(into.glob("*.whl"))


@pytest.fixture
def sources(template: Path, tmp_path: Path) -> Path:
    """What a wheel is built from, with the tiny template in place of the real one."""
    folder = tmp_path / "sources"
    shutil.copytree(template, folder, ignore=shutil.ignore_patterns(".git"))
    shutil.copytree(SOURCES, folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    names = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "CHANGELOG.md")
    for name in (*names, "template-changes.yaml"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.mark.slow
def test_two_users_share_a_repository_by_wheel_alone(sources, second, ann, tmp_path):
    """No address is known, nothing is reachable: each has the wheel, then its next release."""

    def install(home: Path, wheel: Path) -> list[str]:
        python = home / "tool" / "bin" / "python"
        if not python.exists():
            subprocess.run([UV, "venv", "--quiet", str(home / "tool")], check=True)
        target = ["--quiet", "--python", str(python), str(wheel)]
        subprocess.run([UV, "pip", "install", *target], check=True)
        return [str(python.with_name("scaffold"))]

    wheel = build(sources, tmp_path / "first")
    first = User(ann, install(ann, wheel))
    assert "give it one before a second person works here" in first.new()
    first.add_module("billing")
    first.run("git", "push", "--quiet", str(tmp_path / "shop.git"), "main", cwd=first.shop)
    (tmp_path / "bob").mkdir()
    install(tmp_path / "bob", wheel)
    bob = second(first)
    bob.add_module("tax")
    assert bob.recorded() == {(BUNDLED, "v0.1.0")}

    for file in (sources / "template").rglob("NEW.md"):
        file.write_text("since v9.0.0\n")
    (sources / "template" / "CHANGED.md").write_text("since v9.0.0\n")
    with (sources / "template-changes.yaml").open("a") as file:
        file.write(
            "- version: 9.0.0\n  changes: [{move: app.platform.old, to: app.platform.new}]\n"
        )
    uses = bob.shop / "src/app/modules/tax/uses.py"
    uses.write_text("from app.platform import old\n\nold.x\n")
    project = sources / "pyproject.toml"
    project.write_text(project.read_text().replace('version = "0.1.0"', 'version = "9.0.0"'))
    install(bob.home, build(sources, tmp_path / "next"))
    said = bob.run(*bob.scaffold, "add-module", "late", cwd=bob.shop)  # v0.1.0 is kept
    assert "template v0.1.0" in said
    git(bob.shop, "add", "--all")
    git(bob.shop, "commit", "--quiet", "--message", "late")
    bob.run(*bob.scaffold, "new", "other", "--defaults")
    bob.update()
    check_updated(bob, BUNDLED)
    bob.run(*bob.scaffold, "update", cwd=bob.shop)  # tax is still at v0.1.0
    assert uses.read_text() == "from app.platform import new\n\nnew.x\n"


@pytest.mark.slow
def test_the_wheel_brings_what_git_has_of_the_template_however_it_is_built(tmp_path):
    """A clone is built, as for a release: what is not in git is not in it."""
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(ROOT), "clone")
    for name in git(ROOT, "ls-files", "--modified", "--others", "--exclude-standard").splitlines():
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, clone / name)
        else:
            (clone / name).unlink()
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--allow-empty", "--message", "As it is")
    kept = git(clone, "ls-files", "-z", *BROUGHT).split("\0")
    expected = {name: (clone / name).read_bytes() for name in kept if name}
    (clone / "template" / "__pycache__").mkdir()
    (clone / "template" / "__pycache__" / "x.pyc").write_text("compiled")
    for name, arguments in (("both", []), ("alone", ["--wheel"])):
        with zipfile.ZipFile(build(clone, tmp_path / name, *arguments)) as wheel:
            inside = "scaffold/_template/"
            brought = {
                each.removeprefix(inside): wheel.read(each)
                for each in wheel.namelist()
                if each.startswith(inside)
            }
            modules = [
                each for each in wheel.namelist() if each.endswith(".py") and "_te" not in each
            ]
            built_from = wheel.read("scaffold/_commit").decode()
        assert brought == expected
        assert built_from == git(clone, "rev-parse", "HEAD")
        assert "scaffold/cli.py" in modules
        assert all(each.startswith("scaffold/") for each in modules)
    version = tomllib.loads((clone / "pyproject.toml").read_text())["project"]["version"]
    git(clone, "tag", f"v{version}")
    with zipfile.ZipFile(build(clone, tmp_path / "release")) as wheel:
        assert "scaffold/_commit" not in wheel.namelist()


def test_names_of_the_template_fit_where_a_wheel_is_unpacked():
    """Windows: none of its characters, no name that ends in a dot or space, 260 at most in all."""
    site_packages = 110
    for name in git(ROOT, "ls-files", *BROUGHT).splitlines():
        name = name.strip('"')
        assert not set('<>:"\\|?*') & set(name), name
        assert not any(part.endswith((".", " ")) for part in name.split("/")), name
        assert len(f"scaffold/_template/{name}") + site_packages < 260, name


def test_no_file_of_the_template_is_a_link():
    modes = git(ROOT, "ls-files", "--stage", *BROUGHT).splitlines()
    assert {line.split()[0] for line in modes} <= {"100644", "100755"}
    assert tree(ROOT / "examples/shop")
