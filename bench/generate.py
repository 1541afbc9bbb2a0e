"""Generating a repository, and adding a module to it, beside other generators.

Ours with 2, 20, 100 and 300 modules; NestJS's and Nx's command lines, Django's `startproject` and
`startapp`, cookiecutter-django, s3rius' fastapi_template, and full-stack-fastapi-template in its
last release that had a generator. Milliseconds of the command alone: what it installs is left out
where it can be (Nx's and s3rius' cannot). Files and lines are what git would see.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .installing import has_python, node, python, template, versions
from .measuring import SCAFFOLD, alternate, clock, folder, names, progress, run
from .results import Cell, Plot, Table

ROUNDS = 5
MODULES = (2, 20, 100, 300)
LEFT_OUT = {".git", "node_modules", ".venv", "__pycache__", ".nx"}
FULL_STACK = "0.10.0"


@dataclass
class Generator:
    """One that makes a repository in a folder and, perhaps, adds a module to it."""

    name: str
    generate: Callable[[Path], Path]
    """Return where the repository stands that it made in this folder."""
    add: Callable[[Path, int], object] | None = None
    module: str = "src/app/modules/added{}"
    wired: Callable[[Path], str] = lambda _: "–"
    """Say what of a module that was added is in use, having looked."""
    remark: str = ""


def measure() -> tuple[list[Table], Plot, dict[str, float], list[str]]:
    with folder() as work:
        peers, missing = find_peers()
        made: dict[str, Path] = {}
        generated: list[list[Cell]] = []
        for each in [*(ours(modules) for modules in MODULES), *peers]:
            progress(f"  generating: {each.name}")
            inside = work / f"of-{len(made)}"
            inside.mkdir()
            taken = clock(lambda each=each, inside=inside: made.update({each.name: each.generate(inside)}))
            files, lines = size(made[each.name])
            generated.append([each.name, taken, files, lines, each.remark])
        adding = {e.name: e for e in (*map(ours, MODULES), *peers) if e.add is not None}
        progress("  adding modules, in rounds that alternate")
        contenders: dict[str, Callable[[int], object]] = {
            name: lambda n, each=each, name=name: each.add(made[name], n)
            for name, each in adding.items()
        }
        contenders["copier --version"] = lambda _: run(
            *SCAFFOLD[:2], "copier", "--version", cwd=work
        )
        medians = alternate(contenders, ROUNDS)
        added: list[list[Cell]] = []
        for name, each in adding.items():
            files, lines = size(made[name] / each.module.format(1))
            added.append([name, medians[name], files, lines, each.wired(made[name])])
        added += [[each.name, None, None, None, "has no such command"] for each in peers if not each.add]
    least, most = (medians[f"ours, {modules} modules"] for modules in (MODULES[0], MODULES[-1]))
    nest = medians["nest"]
    return (
        [
            Table("Generating a repository", ["", "ms", "files", "lines", ""], generated),
            Table("Adding a module", ["", "ms", "files", "lines", "wired afterwards"], added),
        ],
        Plot(
            "Adding a module",
            "milliseconds",
            [(name, medians[name], name.startswith("ours")) for name in contenders],
        ),
        {"nest": least / nest, "flat": most / least, "copier": least / medians["copier --version"]},
        [
            *missing,
            f"Adding a module takes {least / nest:.2f} of `nest generate module`, and in a repository"
            f" of 300 modules {most / least:.2f} of what it takes in one of 2.",
            "`django-admin startproject` and `startapp` are faster: they copy five files each, which"
            " nothing uses yet.",
            "Files are more with ours, since a repository comes with its platform's source, pipelines,"
            " alerts and runbooks, all of which is the team's.",
        ],
    )


def ours(modules: int, name: str = "") -> Generator:
    def generate(work: Path) -> Path:
        new = (*SCAFFOLD, "new", "shop", "--defaults", "--no-git", "--data", names(modules))
        run(*new, cwd=work)
        return work / "shop"

    return Generator(
        name or f"ours, {modules} modules",
        generate,
        lambda shop, n: run(*SCAFFOLD, "add-module", f"added{n}", cwd=shop),
        wired=lambda shop: "routes, job, migration, role, owner, alerts, tests"
        if (shop / "src/app/modules/added1/wiring.py").exists() and "added1" in read(shop, "CODEOWNERS")
        else "not",
        remark="green: see the next comparison",
    )


def find_peers() -> tuple[list[Generator], list[str]]:
    """Return the generators that can be had here, and a sentence for each that cannot."""
    nest, nx = node("nest", "@nestjs/cli@^11"), node("nx", "create-nx-workspace@^23")
    programs = python("generators", "cookiecutter>=2.7,<3", "django>=5.2,<5.3")
    peers, missing = [nest_cli(nest), nx_cli(nx), django(programs / "django-admin")], []
    s3rius = python("s3rius", "fastapi_template==6.1.2")
    peers.append(of_s3rius(s3rius))
    if source := template("cookiecutter", "cookiecutter-django"):
        has_hooks = has_python("3.14")
        peers.append(cookiecutter_django(programs, source, has_hooks))
        if not has_hooks:
            missing.append(
                "cookiecutter-django runs with its hooks off: they end with `uv add`, for which it"
                " wants Python 3.14, which is not on this machine and could not be fetched. So its"
                " repository still has the files of all answers."
            )
    else:
        missing.append("cookiecutter-django was not run: git could not fetch it.")
    if source := template("fastapi", "full-stack-fastapi-template", FULL_STACK):
        peers.append(full_stack(source))
    else:
        missing.append("full-stack-fastapi-template was not run: git could not fetch it.")
    missing.append(
        f"full-stack-fastapi-template is measured at {FULL_STACK}: after it its generator was"
        " removed, and one makes a repository with a button of its forge. litestar-fullstack never had"
        f" one. {versions(programs, 'cookiecutter', 'django')}."
    )
    return peers, missing


def nest_cli(programs: Path) -> Generator:
    nest = str(programs / "nest")

    def generate(work: Path) -> Path:
        run(nest, "new", "peer", "--skip-git", "--skip-install", "--package-manager=npm", cwd=work)
        return work / "peer"

    def add(peer: Path, number: int) -> None:
        if not (peer / "node_modules").exists():  # In the round that does not count.
            run("npm", "install", "--silent", cwd=peer)
        run("npx", "--no-install", "nest", "generate", "module", f"added{number}", cwd=peer)

    return Generator(
        "nest",
        generate,
        add,
        "src/added{}",
        lambda peer: "imported by its parent; empty" if "Added1Module" in read(peer, "src/app.module.ts") else "not",
        "one controller, one test",
    )


def nx_cli(programs: Path) -> Generator:
    quiet = {"NX_DAEMON": "false", "CI": "true"}
    options = ("--bundler=none", "--unitTestRunner=none", "--linter=none", "--no-interactive")

    def generate(work: Path) -> Path:
        create = (str(programs / "create-nx-workspace"), "peer", "--preset=apps", "--pm=npm")
        run(*create, "--nxCloud=skip", "--skipGit", "--interactive=false", cwd=work, env=quiet)
        return work / "peer"

    def add(peer: Path, number: int) -> None:
        if not (peer / "node_modules/@nx/js").exists():
            run("npm", "install", "--silent", "-D", "@nx/js", cwd=peer)
        nx = ("npx", "--no-install", "nx", "g", "@nx/js:lib", f"libs/added{number}")
        run(*nx, *options, cwd=peer, env=quiet)

    return Generator(
        "nx",
        generate,
        add,
        "libs/added{}",
        lambda peer: "a path to import it by" if "added1" in read(peer, "tsconfig.base.json") else "not",
        "an empty workspace; installs",
    )


def django(admin: Path) -> Generator:
    def generate(work: Path) -> Path:
        run(str(admin), "startproject", "peer", cwd=work)
        return work / "peer"

    return Generator(
        "django-admin",
        generate,
        lambda peer, n: run(str(admin.with_name("python")), "manage.py", "startapp", f"added{n}", cwd=peer),
        "added{}",
        lambda peer: "yes" if "added1" in read(peer, "peer/settings.py") else "nothing: not in INSTALLED_APPS",
        "settings and the admin's site",
    )


def of_s3rius(programs: Path) -> Generator:
    answers = ("--api-type", "rest", "--db", "postgresql", "--orm", "sqlalchemy", "--ci", "github")
    more = ("--migrations", "--dummy", "--routers", "--prometheus", "--opentelemetry", "--force")

    def generate(work: Path) -> Path:
        start = (str(programs / "fastapi_template"), "--quiet", "--name", "peer")
        run(*start, *answers, *more, cwd=work, env={"UV_PYTHON_DOWNLOADS": "never"})
        return work / "peer"

    return Generator("s3rius fastapi_template", generate, remark="one dummy model; ends with `uv sync`")


def cookiecutter_django(programs: Path, source: Path, has_hooks: bool) -> Generator:
    hooks = ("--accept-hooks", "yes" if has_hooks else "no")

    def generate(work: Path) -> Path:
        run(str(programs / "cookiecutter"), "--no-input", *hooks, str(source), cwd=work)
        return work / "my_awesome_project"

    return Generator("cookiecutter-django", generate, remark="users" + ("" if has_hooks else "; hooks off"))


def full_stack(source: Path) -> Generator:
    def generate(work: Path) -> Path:
        copy = (*SCAFFOLD[:2], "copier", "copy", "--trust", "--defaults", "--vcs-ref", FULL_STACK)
        run(*copy, str(source), "peer", cwd=work)
        return work / "peer"

    return Generator("full-stack-fastapi-template", generate, remark="users, items, a web front end")


def size(repository: Path) -> tuple[int, int]:
    """Return the number of files, and of lines of those that are text."""
    files = [
        path
        for path in repository.rglob("*")
        if path.is_file() and not LEFT_OUT & set(path.relative_to(repository).parts)
    ]
    contents = [path.read_bytes() for path in files]
    return len(files), sum(each.count(b"\n") for each in contents if b"\0" not in each)


def read(repository: Path, name: str) -> str:
    return (repository / name).read_text()
