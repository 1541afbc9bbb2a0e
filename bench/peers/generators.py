"""The generators that ours is compared with, as their documentation calls them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..installing import has_python, node, python, template, versions
from ..measuring import SCAFFOLD, counted, names, run

FULL_STACK = "0.10.0"


@dataclass(frozen=True)
class Generator:
    """One that makes a repository in a folder and, perhaps, adds a module to it."""

    name: str
    generate: Callable[[Path], Path]
    """Return where the repository stands that it made in this folder."""
    remark: str
    add: Callable[[Path, int], object] | None = None
    module: str = ""
    """Where a module lands that is called `added1`."""
    wired: Callable[[Path], str] = lambda _: ""
    """Say what of that module is in use, having looked."""


def if_has(repository: Path, file: str, word: str, then: str) -> str:
    """Return what is true of a repository whose file has a word, else that it has not."""
    return then if word in (repository / file).read_text() else f"nothing: not in {file}"


def ours(modules: int, name: str = "") -> Generator:
    def generate(work: Path) -> Path:
        new = (*SCAFFOLD, "new", "shop", "--defaults", "--data", names(modules))
        run(*new, cwd=work)
        return work / "shop"

    has = "routes, a job, a migration, a role, an owner, alerts, tests"
    return Generator(
        name or f"ours, {counted(modules)}",
        generate,
        "green: see the next comparison",
        lambda shop, n: run(*SCAFFOLD, "add-module", f"added{n}", cwd=shop),
        "src/app/modules/added1",
        lambda shop: if_has(shop, "CODEOWNERS", "added1", has),
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
        " removed, and one makes a repository with a button of its forge. litestar-fullstack"
        f" never had one. {versions(programs, 'cookiecutter', 'django')}."
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
        "one controller, one test",
        add,
        "src/added1",
        lambda peer: if_has(peer, "src/app.module.ts", "Added1Module", "imported; it is empty"),
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
        "an empty workspace; installs",
        add,
        "libs/added1",
        lambda peer: if_has(peer, "tsconfig.base.json", "added1", "a path to import it by"),
    )


def django(admin: Path) -> Generator:
    manage = (str(admin.with_name("python")), "manage.py")

    def generate(work: Path) -> Path:
        run(str(admin), "startproject", "peer", cwd=work)
        return work / "peer"

    return Generator(
        "django-admin",
        generate,
        "settings and the admin's site",
        lambda peer, n: run(*manage, "startapp", f"added{n}", cwd=peer),
        "added1",
        lambda peer: if_has(peer, "peer/settings.py", "added1", "in INSTALLED_APPS"),
    )


def of_s3rius(programs: Path) -> Generator:
    answers = ("--api-type", "rest", "--db", "postgresql", "--orm", "sqlalchemy", "--ci", "github")
    more = ("--migrations", "--dummy", "--routers", "--prometheus", "--opentelemetry", "--force")

    def generate(work: Path) -> Path:
        start = (str(programs / "fastapi_template"), "--quiet", "--name", "peer")
        run(*start, *answers, *more, cwd=work, env={"UV_PYTHON_DOWNLOADS": "never"})
        return work / "peer"

    return Generator("s3rius fastapi_template", generate, "one model; tries `uv sync`")


def cookiecutter_django(programs: Path, source: Path, has_hooks: bool) -> Generator:
    hooks = ("--accept-hooks", "yes" if has_hooks else "no")

    def generate(work: Path) -> Path:
        run(str(programs / "cookiecutter"), "--no-input", *hooks, str(source), cwd=work)
        return work / "my_awesome_project"

    remark = "users; installs" if has_hooks else "users; hooks off"
    return Generator("cookiecutter-django", generate, remark)


def full_stack(source: Path) -> Generator:
    def generate(work: Path) -> Path:
        copy = (*SCAFFOLD[:2], "copier", "copy", "--trust", "--defaults", "--vcs-ref", FULL_STACK)
        run(*copy, str(source), "peer", cwd=work)
        return work / "peer"

    return Generator("full-stack-fastapi-template", generate, "users, items, a web front end")
