"""The generated pipelines, run: green on the example, and red in one step for each thing planted.

act runs GitHub's workflow and gitlab-ci-local GitLab's, on this machine, without containers. Actions
stand empty: the code is here already, and uv is installed.
"""

import json
import os
import re
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest
from generated import UV, Generate, Repository
from pipeline_tools import known_vulnerabilities, npm_packages, tool, uv_that_asks

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]

CATALOG = "src/app/modules/catalog"
ACTION = "name: nothing\nruns:\n  using: composite\n  steps:\n    - run: 'true'\n      shell: sh\n"
NEW = f"{CATALOG}/rates.py"
KEY = "AKIA" + "Z7Q4" + "XW2N" + "LM5K" + "P3RT"  # In parts: this file has no secret in it.
DROP = '''\
"""Drop the stock.

Revision: 0002
Revises: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.drop_column("products", "stock", schema="catalog")


def downgrade() -> None:
    raise NotImplementedError
'''


@dataclass(frozen=True)
class Plant:
    """A change that must turn one step red, and no other of its job."""

    step: str
    job: str
    file: str
    text: str
    replaces: str = ""
    """What of the file it stands for; otherwise it is the whole file."""


PLANTED = [
    Plant("lock", "check", "pyproject.toml", '"httpx>=0.28.1,<0.29"', '"httpx>=0.28,<0.29"'),
    Plant("lint", "check", NEW, '"""Rates."""\n\nRATE   = 1\n'),
    Plant("typecheck", "check", NEW, '"""Rates."""\n\nRATE: int = "1"\n'),
    Plant(
        "boundaries",
        "check",
        NEW,
        '"""Rates."""\n\nfrom app.modules.identity.tables import CustomerRow\n\nRow = CustomerRow\n',
    ),
    Plant(
        "sql",
        "check",
        NEW,
        '"""Rates."""\n\nfrom sqlalchemy import text\n\n'
        'ALL = text("SELECT id FROM identity.customers")\n',
    ),
    Plant(
        "flags",
        "check",
        "src/app/modules/ordering/flags.json",
        '"defaultVariant": "of"',
        '"defaultVariant": "off"',
    ),
    Plant("migrations", "check", f"{CATALOG}/migrations/0002_drop_stock.py", DROP),
    Plant("secrets", "supply-chain", NEW, f'"""Rates."""\n\nKEY = "{KEY}"\n'),
    Plant("licences", "supply-chain", "pyproject.toml", "ISC;", "MIT AND PSF-2.0; ISC;"),
    Plant(
        "test-changed",
        "test",
        f"{CATALOG}/routes.py",
        "status_code=status.HTTP_200_OK",
        "status_code=status.HTTP_201_CREATED",
    ),
]


CHECKS = ["lock", "lint", "typecheck", "boundaries", "sql", "flags", "migrations", "test"]
CHECKS += ["secrets", "audit", "licences", "sbom"]
"""What GitLab runs of a push; test_image runs the rest."""


class Run(NamedTuple):
    """What a pipeline did: the result of each step, by its id, and what it printed."""

    results: dict[str, str]
    printed: str

    @property
    def failed(self) -> set[str]:
        return {step for step, result in self.results.items() if result != "success"}


class Pipeline:
    """A repository on its forge: `main` is pushed, and a branch with a change is checked out."""

    def __init__(self, repository: Repository, folder: Path, osv: str) -> None:
        self.repository = repository
        scripts = sysconfig.get_path("scripts")
        path = [str(uv_that_asks(folder / "bin", osv)), scripts, repository.environment["PATH"]]
        repository.environment = {
            **repository.environment,
            "GITLEAKS": tool("gitleaks"),
            "PATH": os.pathsep.join(path),
        }
        del repository.environment["DATABASE_URL"]  # Tests start a Postgres of their own, as there.
        repository.run(UV, "lock", "--quiet")
        repository.make("catalog")
        repository.commit("Lock")
        origin = folder / "origin.git"
        repository.git("init", "--quiet", "--bare", str(origin))
        repository.git("remote", "add", "origin", str(origin))
        repository.git("push", "--quiet", "origin", "main")
        repository.git("switch", "--quiet", "--create", "change")

    def plant(self, planted: Plant) -> None:
        if planted.replaces:
            self.repository.replace(planted.file, planted.replaces, planted.text)
        else:
            (self.repository.path / planted.file).write_text(planted.text, "utf-8")
        self.repository.commit("Plant")

    def forget(self) -> None:
        self.repository.git("reset", "--quiet", "--hard", "main")


@pytest.fixture(scope="module")
def osv() -> Iterator[str]:
    with known_vulnerabilities({}) as url:
        yield url


@pytest.fixture(scope="module")
def github(generate: Generate, osv: str, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return Pipeline(generate(example=True), tmp_path_factory.mktemp("github"), osv)


@pytest.fixture(scope="module")
def gitlab(generate: Generate, osv: str, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    pipeline = Pipeline(generate(example=True, ci="gitlab"), tmp_path_factory.mktemp("gitlab"), osv)
    exclude = pipeline.repository.path / ".git/info/exclude"
    exclude.write_text(".gitlab-ci-local/\n.cache/\n", "utf-8")
    return pipeline


def act(pipeline: Pipeline, folder: Path, event: str, *jobs: str) -> Run:
    """Run jobs of the workflow, or all, as GitHub does for an event."""
    shop = pipeline.repository
    about = {"repository": {"default_branch": "main"}}
    if event == "pull_request":
        about |= {"pull_request": {"number": 1, "base": {"ref": "main"}, "head": {"ref": "change"}}}
    (folder / "event.json").write_text(json.dumps(about))
    stub = Repository(folder / "stub", shop.environment)
    stub.path.mkdir()
    (stub.path / "action.yml").write_text(ACTION)
    stub.git("init", "--quiet")
    stub.commit()
    command = [tool("act"), event, "--json", "--eventpath", str(folder / "event.json")]
    command += ["--platform", "ubuntu-24.04=-self-hosted", "--no-cache-server"]
    command += ["--workflows", ".github/workflows/ci.yml"]
    for each in set(re.findall(r"uses: (\S+@\S+)", shop.read(".github/workflows/ci.yml"))):
        command += ["--local-repository", f"{each}={stub.path}"]
    command += ["--env", f"GITLEAKS={shop.environment['GITLEAKS']}"]
    results: dict[str, str] = {}
    printed = ""
    for job in jobs or ("",):
        done = shop.run(*command, *(["--job", job] if job else []), check=False)
        for line in done.stdout.splitlines():
            said = json.loads(line) if line.startswith("{") else {"msg": line}
            printed += said["msg"] if said["msg"].endswith("\n") else said["msg"] + "\n"
            if "stepResult" in said and said.get("stage") == "Main" and "stepID" in said:
                results[said["stepID"][0]] = said["stepResult"]
    return Run({name: it for name, it in results.items() if not name.isdigit()}, printed)


def gitlab_ci(pipeline: Pipeline, source: str, *jobs: str) -> Run:
    """Run jobs of GitLab's pipeline, or all, as GitLab does for a push or a merge request."""
    shop = pipeline.repository
    program = npm_packages() / "node_modules/.bin/gitlab-ci-local"
    given = {
        "CI_PIPELINE_SOURCE": source,
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": shop.git("rev-parse", "main").strip(),
        "UV_CACHE_DIR": shop.run(UV, "cache", "dir").stdout.strip(),
    }
    command = [str(program), "--force-shell-executor", "--ignore-predefined-vars", ",".join(given)]
    for name, value in given.items():
        command += ["--variable", f"{name}={value}"]
    done = shop.run(*command, *jobs, check=False)
    results = re.findall(r"^ (PASS|FAIL)  (\S+)", done.stdout, re.MULTILINE)
    return Run(
        {job: "success" if result == "PASS" else "failure" for result, job in results}, done.stdout
    )


def test_a_push_to_main_is_green_on_github(github: Pipeline, tmp_path: Path) -> None:
    # test_image runs the rest.
    run = act(github, tmp_path, "push", "check", "test", "supply-chain")
    assert run.failed == set(), run.printed
    assert len(run.results) == 12
    assert "pytest" in run.printed
    assert "test-changed" not in run.results


def test_a_pull_request_tests_what_it_touches_on_github(github: Pipeline, tmp_path: Path) -> None:
    readme = f"{CATALOG}/README.md"
    github.plant(Plant("", "", readme, "Owned  by", "Owned by"))
    run = act(github, tmp_path, "pull_request", "test")
    github.forget()
    assert run.results == {"test-changed": "success"}, run.printed
    assert "Testing 2 of 4 modules (changed: catalog; depending on that: ordering)." in run.printed


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.step)
def test_what_is_planted_turns_its_own_step_red_on_github(
    github: Pipeline, tmp_path: Path, planted: Plant
) -> None:
    github.plant(planted)
    run = act(github, tmp_path, "pull_request", planted.job)
    github.forget()
    assert run.failed == {planted.step}, run.printed
    assert f"::error::Run on your machine: make {planted.step}\n" in run.printed


def test_a_known_vulnerability_turns_the_audit_red(generate: Generate, tmp_path: Path) -> None:
    with known_vulnerabilities({"fastapi": "GHSA-0000-0000-0001"}) as osv:
        shop = Pipeline(generate(), tmp_path, osv).repository
        refused = shop.run("make", "audit", check=False)
    assert refused.returncode == 2
    assert "GHSA-0000-0000-0001" in refused.stdout


def test_an_audit_that_cannot_ask_is_no_green_one(generate: Generate, tmp_path: Path) -> None:
    shop = Pipeline(generate(), tmp_path, "http://127.0.0.1:1").repository
    assert shop.run("make", "audit", check=False).returncode == 2


def test_a_push_to_main_is_green_on_gitlab(gitlab: Pipeline) -> None:
    gitlab.repository.git("switch", "--quiet", "main")
    run = gitlab_ci(gitlab, "push", *CHECKS)
    gitlab.repository.git("switch", "--quiet", "change")
    assert run.failed == set(), run.printed
    assert len(run.results) == 12
    assert "test-changed" not in run.results


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.step)
def test_what_is_planted_turns_its_own_job_red_on_gitlab(gitlab: Pipeline, planted: Plant) -> None:
    """The jobs of one of GitHub's: those of the others are run where it is green."""
    jobs = {
        "check": ["lock", "lint", "typecheck", "boundaries", "sql", "flags", "migrations"],
        "supply-chain": ["secrets", "licences"],
        "test": ["test-changed"],
    }
    if planted.step == "lock":  # The other jobs, which share the folder here, mend it.
        jobs["check"] = ["lock"]
    gitlab.plant(planted)
    run = gitlab_ci(gitlab, "merge_request_event", *jobs[planted.job])
    gitlab.forget()
    assert run.failed == {planted.step}, run.printed
    assert f"Run on your machine: make {planted.step}" in run.printed
