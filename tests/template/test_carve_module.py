"""The example with billing carved out: what its deployments are, as the tools that run them see it."""

import re
import shutil
from collections.abc import Iterator

import pytest
from generated import UV, Generate, Repository, scaffold
from helpers import tree
from manifests import Manifest, compose, container, named, pod, render, with_tools, workloads

pytestmark = pytest.mark.deployment

SERVICE = "deploy/services/billing"
OVERLAYS = ["production", "staging"]
CARVE = ("carve", "billing", "--because", "scaling", "--accept-bill")


@pytest.fixture(scope="module")
def untouched(generate: Generate) -> Repository:
    shop = with_tools(generate(example=True, deploy="both", catalog="backstage"))
    shop.run(UV, "sync", "--quiet", "--group", "manifests")
    shop.make("rules", "dashboards")
    return shop


@pytest.fixture(scope="module")
def shop(untouched: Repository) -> Iterator[Repository]:
    """It is carved, and in the end it is taken back: nothing of that is left."""
    before = tree(untouched.path / "deploy")
    scaffold(*CARVE, cwd=untouched.path)
    yield untouched
    untouched.git("checkout", "--quiet", ".")
    scaffold("carve", "billing", "--undo", cwd=untouched.path)
    assert tree(untouched.path / "deploy") == before
    assert not untouched.git("diff", "HEAD~2", "--stat")


def test_every_overlay_is_fit_to_run(shop: Repository) -> None:
    assert "Every overlay is fit to run." in shop.make("manifests")


SETTINGS = f"{SERVICE}/settings.env"
MISTAKES = {
    "what it lacks": [
        (
            SETTINGS,
            "identity=http://web",
            "",
            "billing-web would not start: billing needs identity",
        ),
        (SETTINGS, "POOL_SIZE=2", "POOL_SIZE=20", "too many connections: 10 billing-web * 23"),
        (
            f"{SERVICE}/kustomization.yaml",
            "secretName: billing-app",
            "secretName: app",
            "billing-web mounts the Secret app: a service has a login of its own",
        ),
    ],
    "an address": [
        (SETTINGS, "http://web", "http://shop", "at shop, and there is no such Service")
    ],
}


@pytest.mark.parametrize("mistakes", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named(shop: Repository, mistakes: list[tuple[str, str, str, str]]) -> None:
    shutil.rmtree(shop.path / "deploy/overlays/staging")  # It takes time, and says the same.
    try:
        for file, old, new, _ in mistakes:
            shop.replace(file, old, new)
        printed = shop.run(".venv/bin/python", "-m", "checks.manifests", check=False).stdout
    finally:
        shop.git("checkout", "--quiet", "deploy")
    for *_, said in mistakes:
        assert said in printed


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_service_has_web_and_worker_that_differ_in_what_they_are_told(
    shop: Repository, overlay: str
) -> None:
    manifests = render(shop, overlay)
    for part in ("web", "worker"):
        whole, own = (named(manifests, "Deployment", f"{who}{part}") for who in ("", "billing-"))
        read = [each["configMapRef"]["name"] for each in container(own)["envFrom"]]
        assert [each.rpartition("-")[0] for each in read] == ["settings", "billing-service"]
        assert [each["secret"] for each in pod(own)["volumes"] if "secret" in each] == [
            {"secretName": "billing-app", "defaultMode": 0o440}
        ]
        for each in (whole, own):
            only = container(each)
            del only["envFrom"]
            each["seen"] = only
        assert whole["seen"] == own["seen"]
    data = named(manifests, "ConfigMap", "billing-service")["data"]
    assert (data["MODULES"], data["DATABASE_ROLES"]) == ("billing", "shop")
    settings = named(manifests, "ConfigMap", "settings")["data"]
    assert settings["REMOTE_MODULES"] == ""  # Nothing goes over before somebody says so.
    assert settings["SERVICE_LOGINS"] == "billing=shop_billing"
    assert "REMOTE_MODULES=billing=http://billing-web\n" in shop.read("deploy/base/settings.env")


def test_pods_of_one_kind_are_all_that_selectors_find(shop: Repository) -> None:
    manifests = render(shop, "production")
    labels = {
        each["metadata"]["name"]: each["spec"]["template"]["metadata"]["labels"]
        for each in workloads(manifests)
    }
    assert len(labels) == 5
    for kind in ("Deployment", "PodDisruptionBudget", "Service"):
        for each in (each for each in manifests if each["kind"] == kind):
            if selector := each["spec"].get("selector"):
                wanted = selector.get("matchLabels", selector).items()
                found = [name for name, given in labels.items() if wanted <= given.items()]
                assert found == [each["metadata"]["name"]]


def test_the_world_reaches_its_routes_and_not_what_modules_ask_each_other(shop: Repository) -> None:
    manifests = render(shop, "production")
    (rule,) = named(manifests, "Ingress", "web")["spec"]["rules"]
    routes = {each["path"]: each["backend"]["service"]["name"] for each in rule["http"]["paths"]}
    assert routes == {"/_modules": "nobody", "/billing": "billing-web", "/": "web"}
    assert "selector" not in named(manifests, "Service", "nobody")["spec"]
    (_, ours) = policies(manifests, "service")["http"]
    assert {"podSelector"} == ours.keys()


def policies(manifests: list[Manifest], component: str) -> dict[str, list[Manifest]]:
    """Who may come to pods of a component, by port."""
    found: dict[str, list[Manifest]] = {}
    for each in manifests:
        if each["kind"] == "NetworkPolicy":
            asked = each["spec"]["podSelector"].get("matchExpressions", [{"values": []}])[0]
            for rule in each["spec"].get("ingress", []) if component in asked["values"] else []:
                for port in rule["ports"]:
                    found.setdefault(port["port"], []).extend(rule["from"])
    return {
        port: sorted(rules, key=lambda it: "podSelector" in it) for port, rules in found.items()
    }


def test_workers_are_scaled_by_the_jobs_of_whom_they_serve(shop: Repository) -> None:
    manifests = render(shop, "production")
    selectors = {
        each["metadata"]["name"]: each["spec"]["metrics"][0]["external"]["metric"]["selector"]
        for each in manifests
        if each["kind"] == "HorizontalPodAutoscaler" and "worker" in each["metadata"]["name"]
    }
    assert selectors["billing-worker"] == {"matchLabels": {"module": "billing"}}
    (rest,) = selectors["worker"]["matchExpressions"]
    assert (rest["operator"], rest["values"]) == ("NotIn", ["billing"])


def test_on_one_machine_it_is_a_service_as_well(shop: Repository) -> None:
    shop.run("sh", "deploy/compose/passwords.sh")
    secret = shop.read(".local/secrets/service_billing_database_url")
    assert re.fullmatch(r"postgresql://shop_billing:\w{48}@postgres/shop", secret)
    assert re.fullmatch(r"\d{4}-\d\d:[\w+/]{43}=\n?", shop.read(".local/secrets/remote_keys"))
    shop.run("sh", "deploy/compose/passwords.sh")
    assert shop.read(".local/secrets/service_billing_database_url") == secret
    services = compose(shop)["services"]
    own, web = services["billing-web"], services["web"]
    assert own["environment"]["MODULES"] == "billing"
    assert own["environment"]["REMOTE_MODULES"] == "identity=http://web:8000"
    assert web["environment"]["REMOTE_MODULES"] == "billing=http://billing-web:8000"
    assert {each["source"] for each in own["secrets"]} == {
        "service_billing_database_url",
        "remote_keys",
    }
    for name in ("migrate", "web", "worker"):
        assert "remote_keys" in {each["source"] for each in services[name]["secrets"]}
    assert services["migrate"]["environment"]["SERVICE_LOGINS"] == "billing=shop_billing"
    (scraped,) = re.findall(
        r"names: \[billing-web, billing-worker\]", shop.read("deploy/compose/prometheus.yml")
    )
    assert scraped
    shop.run("promtool", "check", "config", "--syntax-only", "deploy/compose/prometheus.yml")


def test_what_checks_the_code_is_content(shop: Repository) -> None:
    shop.make("lint", "boundaries")
    shop.run(UV, "run", "--quiet", "pytest", "-q", "tests/test_architecture.py", "-k", "codeowners")
    shop.make("catalog")
    assert "  type: service\n" in shop.read("src/app/modules/billing/catalog-info.yaml")
    assert "  type: module\n" in shop.read("src/app/modules/catalog/catalog-info.yaml")
    shop.git("clean", "--quiet", "--force", "src")


@pytest.fixture(scope="module")
def moved(shop: Repository) -> Iterator[Repository]:
    """Billing with a database of its own."""
    head = shop.git("rev-parse", "HEAD").strip()
    for overlay in OVERLAYS:
        settings = f"deploy/overlays/{overlay}/settings.env"
        shop.replace(settings, "\nREMOTE_MODULES=\n", "\n")
        shop.replace(settings, "POOL_SIZE=5", "POOL_SIZE=4")  # Its workers have more.
    shop.commit("Let calls go over")
    scaffold("carve", "billing", "--data", cwd=shop.path)
    yield shop
    shop.git("reset", "--quiet", "--hard", head)


def test_with_a_database_of_its_own_an_overlay_is_fit_unless_others_work_on_its_tables(
    moved: Repository,
) -> None:
    settings = "deploy/overlays/staging/settings.env"
    (moved.path / settings).write_text(moved.read(settings) + "REMOTE_MODULES=\n")
    moved.replace("deploy/overlays/production/settings.env", "POOL_SIZE=4", "POOL_SIZE=5")
    try:
        printed = moved.run(".venv/bin/python", "-m", "checks.manifests", check=False).stdout
    finally:
        moved.git("checkout", "--quiet", "deploy")
    said = "would serve billing from the main database, and its data may be in one of its own"
    many, *others = [line for line in printed.splitlines() if line.startswith("deploy")]
    assert "production: too many connections" in many
    assert "5 billing-worker * 7" in many
    assert others == [
        f"deploy/overlays/staging: {name} {said}: REMOTE_MODULES must say where it is"
        for name in ("web", "worker")
    ]


def test_the_admin_of_its_database_is_where_it_is_migrated_and_where_data_are_moved(
    moved: Repository,
) -> None:
    manifests = render(moved, "production")
    job = named(manifests, "Job", "billing-migrate")
    (migrate,) = pod(job)["containers"]
    assert migrate["args"] == ["migrate", "--own", "--unless-ahead"]
    carve = named(manifests, "Deployment", "billing-carve")
    assert carve["spec"]["replicas"] == 0
    secrets = {
        each["metadata"]["name"]: [
            source["secret"]["name"]
            for volume in pod(each)["volumes"]
            for source in volume.get("projected", {"sources": [volume]})["sources"]
            if "secret" in source and "name" in source["secret"]
        ]
        for each in workloads(manifests)
    }
    assert secrets["billing-migrate"] == ["billing-app", "billing-migrate"]
    assert secrets["billing-carve"] == ["migrate", "billing-app", "billing-migrate"]
    assert secrets["migrate"] == ["app", "migrate"]
    for each in (job, carve):
        (only,) = pod(each)["containers"]
        read = [source["configMapRef"]["name"] for source in only["envFrom"]]
        assert [name.rpartition("-")[0] for name in read] == ["settings", "billing-service"]
        assert each["spec"]["template"]["metadata"]["labels"]["module"] == "billing"
    stored = named(manifests, "ExternalSecret", "billing-migrate")["spec"]["dataFrom"]
    assert stored == [{"extract": {"key": "shop/billing-migrate"}}]


def test_on_one_machine_its_database_is_one_more_on_the_same_server(moved: Repository) -> None:
    moved.run("sh", "deploy/compose/passwords.sh")
    for name, login in (("", "shop_billing"), ("_migration", "admin")):
        secret = moved.read(f".local/secrets/own{name}_database_url_billing")
        assert re.fullmatch(rf"postgresql://{login}:\w{{48}}@postgres/shop_billing", secret)
    services = compose(moved, "--profile", "carve")["services"]
    given = {
        name: {each["target"].rpartition("/")[2] for each in services[name]["secrets"]}
        for name in ("billing-web", "billing-worker", "billing-migrate", "billing-carve")
    }
    own = {"database_url", "own_database_url", "remote_keys"}
    assert given["billing-web"] == given["billing-worker"] == own
    assert given["billing-migrate"] == own | {"own_migration_database_url"}
    assert given["billing-carve"] - given["billing-migrate"] == {"migration_database_url"}
    waits = services["billing-worker"]["depends_on"]
    assert waits.keys() == {"billing-migrate"}
    assert "wal_level=logical" in services["postgres"]["command"]
    assert "billing-carve" not in compose(moved)["services"]
