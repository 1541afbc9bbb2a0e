"""The generated pipeline of GitLab, run by gitlab-ci-local on this machine, without containers: green on
the example, and red in one job for each thing planted.
"""

import re
from collections.abc import Iterator

import pytest
from generated import Generate
from pipeline_tools import known_vulnerabilities, npm_packages
from pipelines import TOGETHER, Pipeline, Run, together

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]

CHECKS = ["lint", "typecheck", "boundaries", "sql", "flags", "migrations", "contracts", "alerts"]
SUPPLY_CHAIN = ["secrets", "licences"]


@pytest.fixture(scope="module")
def gitlab(generate: Generate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    with known_vulnerabilities({}) as osv:
        shop = generate(example=True, ci="gitlab")
        pipeline = Pipeline(shop, tmp_path_factory.mktemp("gitlab"), osv)
        exclude = shop.path / ".git/info/exclude"
        exclude.write_text(".gitlab-ci-local/\n.cache/\n", "utf-8")
        yield pipeline


def gitlab_ci(pipeline: Pipeline, source: str, *jobs: str) -> Run:
    """Run jobs of GitLab's pipeline, or all, as GitLab does for a push or a merge request."""
    shop = pipeline.repository
    program = npm_packages() / "node_modules/.bin/gitlab-ci-local"
    given = {
        "CI_PIPELINE_SOURCE": source,
        "CI_COMMIT_BEFORE_SHA": shop.git("rev-parse", "main~1").strip(),
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": shop.git("rev-parse", "main").strip(),
        "UV_CACHE_DIR": shop.environment["UV_CACHE_DIR"],
    }
    command = [str(program), "--force-shell-executor", "--ignore-predefined-vars", ",".join(given)]
    for name, value in given.items():
        command += ["--variable", f"{name}={value}"]
    done = shop.run(*command, *jobs, check=False)
    results = re.findall(r"^ (PASS|FAIL)  (\S+)", done.stdout, re.MULTILINE)
    return Run(
        {job: "success" if result == "PASS" else "failure" for result, job in results}, done.stdout
    )


def test_a_push_to_main_is_green_on_gitlab(gitlab: Pipeline) -> None:
    gitlab.repository.git("switch", "--quiet", "main")
    # test_image runs the rest.
    run = gitlab_ci(gitlab, "push", "lock", *CHECKS, "test", *SUPPLY_CHAIN, "audit", "sbom")
    gitlab.repository.git("switch", "--quiet", "change")
    assert run.failed == set(), run.printed
    assert len(run.results) == 14
    assert "test-changed" not in run.results


def test_a_migration_that_is_pushed_straight_to_main_is_read_on_gitlab(gitlab: Pipeline) -> None:
    shop = gitlab.repository
    shop.git("switch", "--quiet", "main")
    gitlab.plant(*together("migrations"))
    run = gitlab_ci(gitlab, "push", "migrations")
    shop.git("reset", "--quiet", "--hard", "main~1")
    shop.git("switch", "--quiet", "change")
    assert run.results == {"migrations": "failure"}, run.printed
    assert "ban-drop-column" in run.printed


@pytest.mark.parametrize("steps", TOGETHER, ids=",".join)
def test_what_is_planted_turns_its_own_job_red_on_gitlab(
    gitlab: Pipeline, steps: tuple[str, ...]
) -> None:
    """Jobs share a folder here, so that others would mend a lock before it is looked at."""
    alone = [[step] for step in steps if step in ("lock", "test-changed")]
    gitlab.plant(*together(*steps))
    for jobs in [*alone, *[[*CHECKS, *SUPPLY_CHAIN]] * (len(steps) > 1)]:
        run = gitlab_ci(gitlab, "merge_request_event", *jobs)
        expected = set(steps) & set(jobs)
        assert run.failed == expected, run.printed
        for step in expected:
            assert f"Run on your machine: make {step}" in run.printed
    gitlab.forget()
