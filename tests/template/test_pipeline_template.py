"""How a repository hears of its template's next version: by a workflow that is run, and by Renovate."""

import json
import os
import re
import sysconfig
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from generated import UV, Generate, Repository
from helpers import git
from pipeline_tools import does_nothing, npm_packages, program_in, tool
from published import publish, record

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]

BRANCH = "scaffold/v1.1.0"
ACTION = "name: nothing\nruns:\n  using: composite\n  steps:\n    - run: 'true'\n      shell: sh\n"
FORGE = """\
#!/bin/sh
printf '%s ' "$@" | tr '\\n' ' ' >>"{notes}"
echo >>"{notes}"
case "$1 $2" in
"pr list" | "mr list") echo '[]' ;;
"pr create" | "mr create") echo https://forge.example/1 ;;
esac
"""


@pytest.fixture(scope="module")
def template(real_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A template that has a second release."""
    made = publish(real_template, tmp_path_factory.mktemp("published") / "template")
    (made / "template/CODE_OF_CONDUCT.md").write_text("# Be kind\n", "utf-8")
    settings = made / "template/.editorconfig"
    settings.write_text("# Theirs.\n" + settings.read_text("utf-8"), "utf-8")
    git(made, "add", "--all")
    git(made, "commit", "--quiet", "--message", "Be kind")
    git(made, "tag", "v1.1.0")
    return made


class Forge:
    """A repository whose `main` is on a forge; the forge's program is a stand-in that takes notes."""

    def __init__(self, shop: Repository, template: Path, folder: Path) -> None:
        self.shop, self.folder, self.notes = shop, folder, folder / "notes"
        record(shop, str(template))
        self.origin = folder / "origin.git"
        shop.git("clone", "--quiet", "--bare", ".", str(self.origin))
        shop.git("remote", "add", "origin", str(self.origin))
        script = FORGE.format(notes=self.notes)
        programs = program_in(folder / "bin", "gh", script)
        (programs / "glab").write_text(script)
        (programs / "glab").chmod(0o755)
        does_nothing(programs, "apt-get")
        self.home = folder / "home"
        self.home.mkdir()
        path = [str(programs), sysconfig.get_path("scripts"), shop.environment["PATH"]]
        self.variables = {
            "GIT_CONFIG_GLOBAL": str(self.home / ".gitconfig"),
            "HOME": str(self.home),
            "UV_CACHE_DIR": shop.run(UV, "cache", "dir").stdout.strip(),
        }
        shop.environment = {**shop.environment, **self.variables, "PATH": os.pathsep.join(path)}

    def clash(self) -> None:
        """Edit what the template's second release changes as well."""
        file = self.shop.path / ".editorconfig"
        file.write_text("# Ours.\n" + file.read_text("utf-8"), "utf-8")
        self.shop.environment["GIT_CONFIG_GLOBAL"] = os.environ["GIT_CONFIG_GLOBAL"]
        self.shop.commit("Edit")
        self.shop.environment["GIT_CONFIG_GLOBAL"] = self.variables["GIT_CONFIG_GLOBAL"]
        self.shop.git("push", "--quiet", "origin", "main")

    def opened(self) -> str:
        """How the one request that was opened was."""
        lines = self.notes.read_text("utf-8").splitlines()
        [line] = [line for line in lines if re.match("(pr|mr) create", line)]
        return line.strip()


def act(forge: Forge) -> str:
    shop, folder = forge.shop, forge.folder
    stub = Repository(folder / "stub", {**shop.environment, **os.environ})
    stub.path.mkdir()
    (stub.path / "action.yml").write_text(ACTION)
    stub.git("init", "--quiet")
    stub.commit()
    workflow = ".github/workflows/template.yml"
    command = [tool("act"), "workflow_dispatch", "--workflows", workflow, "--no-cache-server"]
    command += ["--platform", "ubuntu-24.04=-self-hosted", "--secret", "TEMPLATE_TOKEN=it"]
    command += ["--action-cache-path", str(folder / "act")]
    for each in set(re.findall(r"uses: (\S+@\S+)", shop.read(workflow))):
        command += ["--local-repository", f"{each}={stub.path}"]
    for name, value in forge.variables.items():
        command += ["--env", f"{name}={value}"]
    done = shop.run(*command, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("clashes", [False, True])
def test_the_workflow_opens_a_pull_request(
    generate: Generate, template: Path, tmp_path: Path, clashes: bool
) -> None:
    forge = Forge(generate(), template, tmp_path)
    if clashes:
        forge.clash()
    act(forge)
    created = forge.opened()
    assert created.startswith(f"pr create --head {BRANCH} --base main --title Update to template")
    assert created.endswith("--label template-conflict --draft") == clashes
    changed = git(forge.origin, "diff", "--name-only", "main", BRANCH).split()
    assert ("CODE_OF_CONDUCT.md" in changed) != clashes
    assert "auth setup-git" in forge.notes.read_text("utf-8")


def test_the_job_opens_a_merge_request(generate: Generate, template: Path, tmp_path: Path) -> None:
    forge = Forge(generate(ci="gitlab"), template, tmp_path)
    forge.clash()
    program = npm_packages() / "node_modules/.bin/gitlab-ci-local"
    given = {
        "CI_PIPELINE_SOURCE": "schedule",
        "CI_PROJECT_URL": "https://gitlab.example.com/acme/shop",
        "CI_SERVER_HOST": "gitlab.example.com",
        "CI_SERVER_URL": "https://gitlab.example.com",
        "TEMPLATE_TOKEN": "it",
        "UV_CACHE_DIR": forge.variables["UV_CACHE_DIR"],
    }
    there = "https://oauth2:it@gitlab.example.com/acme/shop.git"
    forge.shop.git("config", "--global", f"url.{forge.origin}.insteadOf", there)
    exclude = forge.shop.path / ".git/info/exclude"
    exclude.write_text(".gitlab-ci-local/\n.cache/\n", "utf-8")
    command = [str(program), "--force-shell-executor", "--ignore-predefined-vars", ",".join(given)]
    for name, value in given.items():
        command += ["--variable", f"{name}={value}"]
    done = forge.shop.run(*command, "propose-update", check=False)
    assert done.returncode == 0, done.stdout
    assert "oauth2:it@" not in done.stdout
    created = forge.opened()
    assert created.startswith(f"mr create --yes --source-branch {BRANCH} --target-branch main")
    assert created.endswith("--label template-conflict --draft")
    assert git(forge.origin, "diff", "main", BRANCH) == ""


@pytest.fixture
def served(template: Path, tmp_path: Path) -> Iterator[str]:
    """The template at an address, as git serves files over HTTP."""
    git(tmp_path, "clone", "--quiet", "--bare", str(template), "served.git")
    git(tmp_path / "served.git", "update-server-info")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/served.git"
    server.shutdown()
    server.server_close()


def test_renovate_tells_the_next_version_and_leaves_it_to_the_workflow(
    generate: Generate, served: str, tmp_path: Path
) -> None:
    shop = generate()
    record(shop, served)
    packages = npm_packages("renovate", "--ignore-scripts")
    shop.environment = {
        **shop.environment,
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "debug",
        "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]),
        "RENOVATE_BASE_DIR": str(tmp_path / "renovate"),
        "RENOVATE_ENABLED_MANAGERS": '["copier"]',
    }
    renovate = [
        str(packages / "node_modules/.bin/renovate"),
        "--platform=local",
        "--dry-run=lookup",
    ]
    done = shop.run(*renovate, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    [found] = [line for line in lines if line["msg"] == "packageFiles with updates"]
    files = {each["packageFile"]: each["deps"][0] for each in found["config"]["copier"]}
    app = files.pop(".copier-answers.yml")
    [update] = app["updates"]
    assert (app["currentValue"], update["newValue"]) == ("v1.0.0", "v1.1.0")
    assert update["branchName"] == "renovate/the-template"  # And not among dependencies.
    assert {each["skipReason"] for each in files.values()} == {"disabled"}
    [rule] = [
        each
        for each in json.loads(shop.read("renovate.json"))["packageRules"]
        if "groupName" in each
    ]
    assert rule["dependencyDashboardApproval"]  # The dashboard tells it: no branch is made.
