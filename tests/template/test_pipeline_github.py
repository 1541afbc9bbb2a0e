"""The generated workflow, run: green on the example, and red in one step for each thing planted.

act runs it on this machine, without containers. Actions stand empty: the code is here already, and uv
is installed.
"""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from generated import Generate, Repository
from pipeline_tools import known_vulnerabilities, tool
from pipelines import CATALOG, TOGETHER, Pipeline, Plant, Run, together

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]

ACTION = "name: nothing\nruns:\n  using: composite\n  steps:\n    - run: 'true'\n      shell: sh\n"


@pytest.fixture(scope="module")
def github(generate: Generate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    with known_vulnerabilities({}) as osv:
        yield Pipeline(generate(example=True), tmp_path_factory.mktemp("github"), osv)


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
    command += ["--action-cache-path", str(folder / "act")]
    command += ["--workflows", ".github/workflows/ci.yml"]
    for each in set(re.findall(r"uses: (\S+@\S+)", shop.read(".github/workflows/ci.yml"))):
        command += ["--local-repository", f"{each}={stub.path}"]
    for name in ("GITLEAKS", "MYPY_CACHE_DIR", "UV_CACHE_DIR"):
        command += ["--env", f"{name}={shop.environment[name]}"]
    results: dict[str, str] = {}
    printed = ""
    for job in jobs or ("",):
        done = shop.run(*command, *(["--job", job] if job else []), check=False)
        for line in done.stdout.splitlines():
            said = json.loads(line) if line.startswith("{") else {"msg": line}
            printed += said["msg"] if said["msg"].endswith("\n") else said["msg"] + "\n"
            if "stepResult" in said and said.get("stage") == "Main" and "stepID" in said:
                results[said["stepID"][0]] = said["stepResult"]
    shutil.rmtree(folder / "act")  # act leaves a checkout there for each job.
    return Run({name: it for name, it in results.items() if not name.isdigit()}, printed)


def test_a_push_to_main_is_green_on_github(github: Pipeline, tmp_path: Path) -> None:
    # test_image runs the rest.
    run = act(github, tmp_path, "push", "check", "test", "alerts", "manifests", "supply-chain")
    assert run.failed == set(), run.printed
    assert len(run.results) == 15
    assert "pytest" in run.printed
    assert "test-changed" not in run.results


def test_a_pull_request_tests_what_it_touches_on_github(github: Pipeline, tmp_path: Path) -> None:
    readme = f"{CATALOG}/README.md"
    github.plant(Plant("", "", readme, "Owned  by", "Owned by"))
    run = act(github, tmp_path, "pull_request", "test")
    github.forget()
    assert run.results == {"test-changed": "success"}, run.printed
    assert "Testing 2 of 4 modules (changed: catalog; depending on that: ordering)." in run.printed


@pytest.mark.parametrize("steps", TOGETHER, ids=",".join)
def test_what_is_planted_turns_its_own_step_red_on_github(
    github: Pipeline, tmp_path: Path, steps: tuple[str, ...]
) -> None:
    planted = together(*steps)
    github.plant(*planted)
    run = act(github, tmp_path, "pull_request", *{plant.job for plant in planted})
    github.forget()
    assert run.failed == set(steps), run.printed
    for step in steps:
        assert f"::error::Run on your machine: make {step}\n" in run.printed
