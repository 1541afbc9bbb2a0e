"""`make deploy`: what is rendered is kustomize's own work; the cluster is a stand-in that takes notes."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from generated import Generate, Repository
from pipeline_tools import program_in, tool

pytestmark = pytest.mark.image

IMAGE = "ghcr.io/acme/shop"
DIGEST = f"sha256:{'5' * 64}"
OVERLAY = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: shop-trial
resources: [all.yaml]
images: [{name: shop, newName: ghcr.io/acme/shop, newTag: latest}]
"""
POD = "{containers: [{name: one, image: shop}, {name: two, image: busybox}]}"
ALL = f"""\
apiVersion: v1
kind: ConfigMap
metadata: {{name: settings}}
---
apiVersion: batch/v1
kind: Job
metadata: {{name: migrate}}
spec: {{template: {{spec: {POD}}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec: {{template: {{spec: {POD}}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: worker}}
spec: {{template: {{spec: {POD}}}}}
"""
CARVED = """\
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: a-service, labels: {module: a}}
spec: {template: {spec: {containers: [{name: web, image: shop}]}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
"""
OWN = """\
---
apiVersion: batch/v1
kind: Job
metadata: {name: a-migrate, labels: {module: a}}
spec: {activeDeadlineSeconds: 60, template: {spec: {containers: [{name: migrate, image: shop}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: a-carve, labels: {module: a}}
spec: {replicas: 0, template: {spec: {containers: [{name: carve, image: shop}]}}}
"""
CLUSTER = """\
#!/bin/sh
echo "$@" >> "$NOTES/calls"
case "$1" in
  kustomize) exec "$KUBECTL" "$@" ;;
  apply) cat > "$NOTES/applied.$(grep -c ^apply "$NOTES/calls")" ;;
  get) cat "$NOTES/job.json" ;;
  logs) test ! -e "$NOTES/late" && echo "app: no such role" ;;
esac
"""
Deploy = Callable[..., str]


@pytest.fixture(scope="module")
def trial(generate: Generate) -> Repository:
    shop = generate()
    overlay = shop.path / "deploy/overlays/trial"
    overlay.mkdir(parents=True)
    (overlay / "kustomization.yaml").write_text(OVERLAY)
    (overlay / "all.yaml").write_text(ALL)
    carved = shutil.copytree(overlay, overlay.with_name("carved"))
    (carved / "all.yaml").write_text(ALL + CARVED)
    moved = shutil.copytree(overlay, overlay.with_name("moved"))
    (moved / "all.yaml").write_text(ALL + CARVED + OWN)
    return shop


@pytest.fixture
def deploy(trial: Repository, tmp_path: Path) -> Deploy:
    """Deploy to a cluster on which the migrations end as said; returns what was printed."""
    programs = program_in(tmp_path / "bin", "kubectl", CLUSTER)
    before = trial.environment

    def _deploy(*variables: str, ended: str = "Complete", check: bool = True) -> str:
        status = {"status": {"conditions": [{"type": ended, "status": "True"}]}}
        (tmp_path / "job.json").write_text(json.dumps(status))
        found = f"{programs}:{before['PATH']}"
        given = {"PATH": found, "NOTES": str(tmp_path), "KUBECTL": tool("kubectl")}
        shop = Repository(trial.path, {**before, **given})
        return shop.make("deploy", *variables, check=check)

    return _deploy


GIVEN = ("environment=trial", f"image={IMAGE}", f"digest={DIGEST}")


def test_migrations_come_before_what_needs_them(deploy: Deploy, tmp_path: Path) -> None:
    printed = deploy(*GIVEN)
    assert f"trial runs {IMAGE}@{DIGEST}." in printed
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[0].endswith("deploy/overlays/trial")
    assert [call.partition(" --")[0] for call in calls[1:]] == [
        "delete job migrate",
        "apply",
        "get job migrate",
        "apply",
        "rollout status deployment/web",
        "rollout status deployment/worker",
    ]
    assert all("--namespace shop-trial" in call for call in calls if "job" in call)
    first, last = ((tmp_path / f"applied.{number}").read_text() for number in (1, 2))
    kinds = [re.findall(r"^kind: (\w+)", each, re.MULTILINE) for each in (first, last)]
    assert kinds == [["ConfigMap", "Job"], ["Deployment", "Deployment"]]
    assert first.count(f"image: {IMAGE}@{DIGEST}\n") == 1
    assert last.count(f"image: {IMAGE}@{DIGEST}\n") == 2
    assert last.count("image: busybox\n") == 2


def test_services_come_before_their_callers_and_routes_last(deploy: Deploy, tmp_path: Path) -> None:
    deploy("environment=carved", *GIVEN[1:])
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call.partition(" --")[0] for call in calls[3:]] == [
        "get job migrate",
        "apply",
        "rollout status deployment/a-service",
        "apply",
        "rollout status deployment/web",
        "rollout status deployment/worker",
        "apply",
    ]
    assert "kind: Ingress" in (tmp_path / "applied.4").read_text()


def test_of_two_databases_both_are_migrated_before_anything_starts(
    deploy: Deploy, tmp_path: Path
) -> None:
    deploy("environment=moved", *GIVEN[1:])
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call.partition(" --")[0] for call in calls[1:]] == [
        "delete job a-migrate migrate",
        "apply",
        "get job migrate",
        "apply",
        "get job a-migrate",
        "apply",
        "rollout status deployment/a-carve",
        "rollout status deployment/a-service",
        "apply",
        "rollout status deployment/web",
        "rollout status deployment/worker",
        "apply",
    ]
    kinds = [
        re.findall(r"^kind: (\w+)", (tmp_path / f"applied.{number}").read_text(), re.M)
        for number in (1, 2, 3)
    ]
    assert kinds == [["ConfigMap", "Job"], ["Job"], ["Deployment", "Deployment"]]


def test_migrations_that_fail_stop_it(deploy: Deploy, tmp_path: Path) -> None:
    printed = deploy(*GIVEN, ended="Failed", check=False)
    assert "app: no such role" in printed
    assert "The migrations failed, so nothing else was changed" in printed
    assert not (tmp_path / "applied.2").exists()


def test_migrations_that_are_ended_by_their_deadline_stop_it_as_well(
    deploy: Deploy, tmp_path: Path
) -> None:
    (tmp_path / "late").touch()  # Then its pods are gone, and their logs with them.
    printed = deploy(*GIVEN, ended="Failed", check=False)
    assert "The migrations failed, so nothing else was changed" in printed
    assert not (tmp_path / "applied.2").exists()


DOCKER = """\
#!/bin/sh
echo "$@" >> "$0.calls"
case "$1" in image) printf '[{"RepoDigests": ["%s@%s"]}]\\n' "$IMAGE" "$DIGEST" ;; esac
"""


@pytest.fixture
def docker(trial: Repository, tmp_path: Path) -> Repository:
    """The repository on a machine with a Docker that takes notes."""
    programs = program_in(tmp_path / "bin", "docker", DOCKER)
    found = f"{programs}:{trial.environment['PATH']}"
    given = {"PATH": found, "IMAGE": IMAGE, "DIGEST": DIGEST}
    return Repository(trial.path, {**trial.environment, **given})


def test_docker_tells_the_digest_of_what_it_pushed(docker: Repository, tmp_path: Path) -> None:
    docker.make("push", f"image={IMAGE}", "version=1.4.2")
    assert docker.read("dist/digest") == f"{DIGEST}\n"
    assert f"push {IMAGE}:1.4.2\n" in (tmp_path / "bin/docker.calls").read_text()


def test_what_needs_no_engine_does_not_ask_for_one(docker: Repository, tmp_path: Path) -> None:
    docker.make("help")
    assert not (tmp_path / "bin/docker.calls").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["environment=moon"], "environment is moon: there are "),
        ([], "environment is not set: there are "),
        (["environment=trial", "digest=latest"], "digest must be what a push printed: sha256:"),
        (["environment=trial", f"digest={DIGEST}", "product=till"], "runs the image till."),
    ],
)
def test_what_is_missing_is_said_and_nothing_happens(
    deploy: Deploy, tmp_path: Path, given: list[str], said: str
) -> None:
    printed = deploy(*given, check=False)
    assert said in printed
    assert "Traceback" not in printed
    assert not (tmp_path / "applied.1").exists()
