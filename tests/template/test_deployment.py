"""`deploy/` of a generated repository, rendered by kubectl and read by the tools that know its formats."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from generated import UV, Generate, Repository
from manifests import container, named, pod, render, with_tools, workloads
from pipeline_tools import HERE, npm_packages, tool

pytestmark = pytest.mark.deployment

BASE = "deploy/base"
PRODUCTION = "deploy/overlays/production"
MONITORING = "deploy/components/monitoring"


@pytest.fixture(scope="module")
def shop(generate: Generate) -> Repository:
    shop = with_tools(generate())
    shop.run(UV, "sync", "--quiet", "--group", "manifests")
    shop.make("rules", "dashboards")
    return shop


def check(shop: Repository) -> str:
    return shop.run(".venv/bin/python", "-m", "checks.manifests", check=False).stdout


def test_both_overlays_are_fit_to_run_as_they_are_generated(shop: Repository) -> None:
    printed = shop.make("manifests")
    assert "Every overlay is fit to run." in printed
    assert "schemas of these: ExternalSecret, PodMonitor, PrometheusRule." in printed


def test_a_module_that_is_added_needs_nothing_here(shop: Repository) -> None:
    before = render(shop, "production")
    shop.add_module("billing")
    assert not [
        line
        for line in shop.changes()
        if "src/app/modules" not in line and "CODEOWNERS" not in line
    ]
    assert render(shop, "production") == before


def test_where_kubectl_is_missing_it_is_named(shop: Repository) -> None:
    poor = Repository(shop.path, {**shop.environment, "PATH": "/nowhere"})
    assert check(poor) == "kubectl is missing: https://kubernetes.io/docs/tasks/tools\n"


SETTINGS = f"{BASE}/settings.env"
OVERLAY = f"{PRODUCTION}/kustomization.yaml"
ENV, TMP = "envFrom:", "- {name: tmp, mountPath: /tmp}"
LOUD = "{name: LOG_LEVEL, value: debug}"
PORT = "- {name: again, containerPort: 9464}\n"
TWICE = f"""\
  - patch: |-
      apiVersion: apps/v1
      kind: Deployment
      metadata: {{name: web}}
      spec: {{template: {{spec: {{containers: [{{name: web, env: [{LOUD}, {LOUD}]}}]}}}}}}
"""
LIST = """\
apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: Service
    metadata: {name: other}
    spec: {hots: no, ports: [{port: 1}]}
---
# Nobody"""
MISTAKES = {
    "sums": [
        (SETTINGS, "POOL_SIZE=10", "POOL_SIZE=20", "too many connections: 10 web * 23 + 5 worker"),
        (SETTINGS, "SHUTDOWN_TIMEOUT=30", "SHUTDOWN_TIMEOUT=60", "web would be killed too early"),
        (SETTINGS, "DRAIN_TIMEOUT=25", "DRAIN_TIMEOUT=60", "worker would be killed too early"),
        (SETTINGS, "HOST=0.0.0.0", "HOST=127.0.0.1", "not the container's port `metrics`"),
    ],
    "pods": [
        (f"{BASE}/web.yaml", "minReadySeconds", "minReadySecond", "'minReadySecond' was unexpected"),
        (f"{BASE}/worker.yaml", "secretName: app", "secretName: migrate", "only app migrate needs"),
        (f"{BASE}/migrate.yaml", "- secret: {name: migrate}", "", "migrate does not mount the Secret"),
        (f"{PRODUCTION}/settings.env", "OIDC_", "# OIDC_", "OIDC_ISSUER: is not set, so nobody"),
    ],
    "issuer": [(f"{PRODUCTION}/settings.env", "=https:", "=http:", "must start with https://")],
    "unknown": [(SETTINGS, "METRICS_HOST", "METRIC_HOST", "METRIC_HOST: there is no such setting")],
    "malformed": [(SETTINGS, "DELAY=5", "DELAY=five", "SHUTDOWN_DELAY: Input should be a valid")],
    "open secret": [(SETTINGS, "SHUTDOWN_DELAY=5", "DATABASE_URL=x", "DATABASE_URL: is secret")],
    "small database": [(OVERLAY, '"200"', '"100"', "and Postgres has 97")],
    "broken": [(OVERLAY, "monitoring", "monitor", "production cannot be rendered")],
    "percentage": [
        (f"{BASE}/web.yaml", "maxSurge: 1", "maxSurge: 25%", "web: maxSurge is 25%: write a number"),
        (f"{BASE}/worker.yaml", "maxSurge: 0, ", "", "worker: maxSurge is not set: write a number"),
    ],
    "twice": [
        (f"{BASE}/web.yaml", ENV, f"env: [{LOUD}, {LOUD}]\n          {ENV}", "web.yaml: env has LOG_LEVEL 2"),
        (f"{BASE}/web.yaml", TMP, f"{TMP}\n            {TMP}", "web.yaml: volumeMounts has /tmp 2 times"),
        (f"{BASE}/worker.yaml", "ports:\n", f"ports:\n            {PORT}", "worker.yaml: ports has 9464 2"),
        (OVERLAY, "patches:\n", f"patches:\n{TWICE}", "production/kustomization.yaml: env has LOG_LEVEL 2"),
    ],
    "twice, and no patch": [
        (f"{BASE}/web.yaml", ENV, f"env: [{LOUD}, {LOUD}]\n          {ENV}", "Deployment web: env has LOG_LEVEL 2"),
    ],
    "a setting twice": [(SETTINGS, "SHUTDOWN_DELAY=5", "SHUTDOWN_DELAY=5\nSHUTDOWN_DELAY=6", "SHUTDOWN_DELAY")],
    "a patch of nothing": [(OVERLAY, "kind: Ingress, name: web", "kind: Ingress, name: wbe", "there is no kind Ingress, name wbe")],
    "a list": [(f"{BASE}/network.yaml", "# Nobody", LIST, "'hots' was unexpected")],
    "missing": [(f"{BASE}/kustomization.yaml", "  - worker.yaml\n", "", "nothing runs worker")],
}  # fmt: skip


@pytest.mark.parametrize("mistakes", list(MISTAKES.values()), ids=list(MISTAKES))
def test_a_mistake_is_named(shop: Repository, mistakes: list[tuple[str, str, str, str]]) -> None:
    shutil.rmtree(shop.path / "deploy/overlays/staging")  # It takes time, and says the same.
    try:
        for file, old, new, _ in mistakes:
            shop.replace(file, old, new)
        printed = check(shop)
    finally:
        shop.git("checkout", "--quiet", "deploy")
    for *_, said in mistakes:
        assert said in printed


@pytest.mark.parametrize("overlay", ["staging", "production"])
def test_trivy_finds_nothing_that_is_not_explained(
    shop: Repository, tmp_path: Path, overlay: str
) -> None:
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(render(shop, overlay)))
    assert findings(shop, tmp_path) == {}
    for line in shop.read(".trivyignore").splitlines():
        if re.match(r"[A-Z]", line):
            assert re.search(rf"^# .+\.\n{line}$", shop.read(".trivyignore"), re.MULTILINE)


def findings(shop: Repository, folder: Path) -> dict[str, set[str]]:
    """What Trivy finds, by file."""
    options = ["--skip-check-update", "--quiet", "--format", "json", "--ignorefile", ".trivyignore"]
    command = [tool("trivy"), "config", *options, str(folder)]
    done = subprocess.run(command, cwd=shop.path, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)["Results"]
    assert results
    return {
        each["Target"]: {found["ID"] for found in each["Misconfigurations"]}
        for each in results
        if each.get("Misconfigurations")
    }


def test_trivy_would_find_a_container_that_may_do_more(shop: Repository, tmp_path: Path) -> None:
    safe = yaml.safe_dump(named(render(shop, "production"), "Deployment", "web"))
    for name, old, new in (
        ("root", "runAsNonRoot: true", "runAsNonRoot: false"),
        ("writes", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
        ("gains", "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true"),
        ("may", "- ALL", "- CHOWN"),
    ):
        assert old in safe
        (tmp_path / f"{name}.yaml").write_text(safe.replace(old, new))
    assert findings(shop, tmp_path).keys() == {"root.yaml", "writes.yaml", "gains.yaml", "may.yaml"}


@pytest.mark.parametrize("overlay", ["staging", "production"])
def test_every_pod_is_restricted_and_says_whose_it_is(shop: Repository, overlay: str) -> None:
    manifests = render(shop, overlay)
    # `make deploy` needs rights in its namespace, and no others.
    assert {each["metadata"]["namespace"] for each in manifests} == {f"shop-{overlay}"}
    assert {each["metadata"]["name"] for each in workloads(manifests)} == {
        "web",
        "worker",
        "migrate",
    }
    for each in workloads(manifests):
        assert each["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"] == "shop"
        spec, only = pod(each), container(each)
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 10001
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert only["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert re.fullmatch(r"ghcr\.io/acme/shop@sha256:[0-9a-f]{64}", only["image"])
        assert "env" not in only  # What is secret is a file.
        written = {
            mount["mountPath"] for mount in only["volumeMounts"] if not mount.get("readOnly")
        }
        assert written == {"/tmp"}


def test_the_image_is_found_where_the_answers_say(generate: Generate) -> None:
    shop = generate("web-shop", ci="gitlab", owner="@Acme/shop/payments")
    shop.make("rules", "dashboards")
    image = container(named(render(shop, "staging"), "Job", "migrate"))["image"]
    assert image.startswith("registry.gitlab.com/acme/web-shop@sha256:")


def test_argo_waits_for_nothing_that_needs_what_comes_later(shop: Repository) -> None:
    waves = {
        (each["kind"], each["metadata"]["name"]): int(
            each["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-wave", 0)
        )
        for each in render(shop, "production")
    }
    for name in ("web", "worker"):
        deployed = waves["Deployment", name]
        assert waves["Job", "migrate"] < deployed < waves["HorizontalPodAutoscaler", name]
    assert waves["Ingress", "web"] > waves["Deployment", "web"]


def test_pods_of_one_kind_are_all_that_selectors_find(shop: Repository) -> None:
    manifests = render(shop, "production")
    labels = {
        each["metadata"]["name"]: each["spec"]["template"]["metadata"]["labels"]
        for each in workloads(manifests)
    }
    for kind in ("Deployment", "PodDisruptionBudget", "Service"):
        for each in (each for each in manifests if each["kind"] == kind):
            selector = each["spec"]["selector"]
            wanted = selector.get("matchLabels", selector).items()
            found = [name for name, given in labels.items() if wanted <= given.items()]
            assert found == [each["metadata"]["name"]]
    ports = {port["name"] for port in container(named(manifests, "Deployment", "web"))["ports"]}
    assert ports == {"http", "metrics"}
    for policy in ("web", "signals"):
        for rule in named(manifests, "NetworkPolicy", policy)["spec"]["ingress"]:
            assert {port["port"] for port in rule["ports"]} <= ports
    deny = named(manifests, "NetworkPolicy", "deny")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_operators_accept_what_is_theirs(shop: Repository, tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(yaml.safe_dump_all(render(shop, "production")))
    command = [tool("node"), str(HERE / "operators.mjs"), str(file)]
    done = subprocess.run(command, cwd=npm_packages(), text=True, capture_output=True)
    assert sorted(done.stdout.splitlines()) == [
        "ExternalSecret app",
        "ExternalSecret migrate",
        "PodMonitor app",
        "PrometheusRule rules",
        "PrometheusRule team",
    ], done.stderr
    file.write_text(file.read_text().replace("refreshInterval: 1h", "refreshInterval: 1"))
    assert subprocess.run(command, cwd=npm_packages(), capture_output=True).returncode


def test_the_rules_of_the_cluster_are_those_that_are_tested(
    shop: Repository, tmp_path: Path
) -> None:
    manifests = render(shop, "production")
    for name in ("rules", "team"):
        groups = named(manifests, "PrometheusRule", name)["spec"]
        assert groups == yaml.safe_load(shop.read(f"observability/{name}.yml"))
        (tmp_path / f"{name}.yml").write_text(yaml.safe_dump(groups))
    done = shop.run(
        "promtool", "check", "rules", str(tmp_path / "rules.yml"), str(tmp_path / "team.yml")
    )
    assert done.stdout.count("SUCCESS") == 2
    boards = named(manifests, "ConfigMap", "dashboards")["data"]
    kept = shop.path / "observability/dashboards"
    assert boards == {path.name: path.read_text("utf-8") for path in kept.iterdir()}
    (endpoint,) = named(manifests, "PodMonitor", "app")["spec"]["podMetricsEndpoints"]
    assert {"targetLabel": "job", "replacement": "app"} in endpoint["relabelings"]
    assert 'up{job="app"' in shop.read("observability/rules.yml")


def test_what_is_written_from_other_files_is_written_when_it_is_needed(shop: Repository) -> None:
    shop.replace("observability/team.yml", "expr: 300", "expr: 120")
    shop.make("manifests")
    assert "expr: 120" in shop.read(f"{MONITORING}/team.yaml")
    assert not [line for line in shop.changes() if MONITORING in line or "dashboards" in line]
    shop.git("checkout", "--quiet", "observability")
    shop.make("rules")


def test_workers_are_added_before_anybody_is_paged(shop: Repository, tmp_path: Path) -> None:
    scaler = named(render(shop, "production"), "HorizontalPodAutoscaler", "worker")["spec"]
    (metric,) = scaler["metrics"]
    age = int(metric["external"]["target"]["value"])
    paged = re.search(
        r"threshold:queue_age_seconds\n +expr: (\d+)", shop.read("observability/team.yml")
    )
    assert paged is not None
    assert age < int(paged[1])
    (rule,) = yaml.safe_load(shop.read("deploy/prometheus-adapter.yaml"))["rules"]["external"]
    name = metric["external"]["metric"]["name"]
    assert rule["seriesQuery"].startswith(f"{name}{{")
    query = rule["metricsQuery"].replace("<<.Series>>", name)
    query = query.replace("<<.LabelMatchers>>", 'namespace="shop-production"')
    rules = tmp_path / "adapter.yml"
    rules.write_text(
        yaml.safe_dump({"groups": [{"name": "adapter", "rules": [{"record": "a", "expr": query}]}]})
    )
    shop.run("promtool", "check", "rules", str(rules))
