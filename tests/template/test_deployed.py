"""What `deploy/` and `compose.yaml` say, run without containers: there is no daemon here.

Migrations, web and worker run as processes, with the arguments, variables and probes of the manifests, on
a Postgres that was prepared as that of `compose.yaml` is.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from generated import Generate, Repository
from manifests import Manifest, compose, container, named, pod, ready, render
from replica import free_port
from running import call, eventually

pytestmark = pytest.mark.deployment


@pytest.fixture(scope="module")
def shop(generate: Generate) -> Repository:
    return ready(generate)


@pytest.fixture(scope="module")
def login(
    shop: Repository, postgres: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """A database that login.sql has prepared: the variables that name it."""
    name = f"box_{uuid4().hex[:8]}"
    sql = shop.read("deploy/compose/login.sql").replace('ROLE "shop"', f'ROLE "{name}"')
    sql = sql.replace("/run/secrets", str(shop.path / ".local/secrets"))
    file = tmp_path_factory.mktemp("login") / "login.sql"
    file.write_text(sql)
    admin = urlsplit(postgres)._replace(path=f"/{name}").geturl()

    def psql(url: str, *command: str) -> None:
        subprocess.run(["psql", "-qv", "ON_ERROR_STOP=1", *command, url], check=True)

    psql(postgres, "-c", f"CREATE DATABASE {name}")
    psql(admin, "-f", str(file))
    password = shop.read(".local/secrets/app_password")
    host = urlsplit(admin).netloc.rpartition("@")[2]
    yield {
        "DATABASE_URL": f"postgresql://{name}:{password}@{host}/{name}",
        "MIGRATION_DATABASE_URL": admin,
    }
    psql(postgres, "-c", f"DROP DATABASE {name} WITH (FORCE)")


def environment(manifests: list[Manifest], **changed: str) -> dict[str, str]:
    """What a pod's variables are; the collector of a cluster is not here."""
    given = dict(named(manifests, "ConfigMap", "settings")["data"])
    del given["OTEL_EXPORTER_OTLP_ENDPOINT"]
    return {"PATH": os.environ["PATH"], **given, **changed}


def test_what_the_manifests_say_runs(
    shop: Repository, login: dict[str, str], tmp_path: Path
) -> None:
    manifests, services = render(shop, "production"), compose(shop)["services"]
    metric = named(manifests, "HorizontalPodAutoscaler", "worker")["spec"]["metrics"][0]
    app = str(shop.path / ".venv/bin/app")
    migrate = container(named(manifests, "Job", "migrate"))
    done = subprocess.run(
        [app, *migrate["args"]], env=environment(manifests, **login), capture_output=True, text=True
    )
    assert "applied catalog 0001" in done.stdout, done.stderr
    own = {
        "DATABASE_URL": login["DATABASE_URL"],
        "METRICS_HOST": "127.0.0.1",
        "SHUTDOWN_DELAY": "0",
    }
    with ExitStack() as stack:
        for name in ("web", "worker"):
            ports = {"http": free_port(), "metrics": free_port()}
            given = environment(manifests, **own, METRICS_PORT=str(ports["metrics"]))
            deployment = named(manifests, "Deployment", name)
            command = [app, *container(deployment)["args"]]
            if name == "web":
                assert command[1:] == ["serve", "--host", "0.0.0.0"] == services["web"]["command"]
                command[3:] = ["127.0.0.1", "--port", str(ports["http"])]
            stack.enter_context(running(command, given, tmp_path / name, deployment))
            for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                if kind not in container(deployment):
                    continue
                probe = container(deployment)[kind]["httpGet"]
                url = f"http://127.0.0.1:{ports[probe['port']]}{probe['path']}"
                eventually(lambda url=url: call(url)[0] == 200)
            metrics = f"http://127.0.0.1:{ports['metrics']}/metrics"
            told = f'\n{metric["external"]["metric"]["name"]}{{module="catalog"}}'
            eventually(lambda url=metrics, told=told: told in call(url)[1])
            asked = services[name]["healthcheck"]["test"][1:]
            asked[-1] = asked[-1].replace(":8000", f":{ports['http']}")
            asked[-1] = asked[-1].replace(":9464", f":{ports['metrics']}")
            subprocess.run([shop.path / ".venv/bin" / asked[0], *asked[1:]], check=True)


@contextmanager
def running(
    command: list[str], given: dict[str, str], log: Path, deployment: Manifest
) -> Iterator[None]:
    """A process that ends as a pod does: at SIGTERM, in time, and well."""
    with log.open("wb") as printed:
        process = subprocess.Popen(command, env=given, stdout=printed, stderr=printed)
    try:
        yield
    finally:
        process.terminate()
        status = process.wait(pod(deployment)["terminationGracePeriodSeconds"])
    assert status in (0, -signal.SIGTERM), log.read_text()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"OIDC_AUDIENCE": ""}, "OIDC_AUDIENCE: belongs to OIDC_ISSUER: set both or none"),
        ({"DATABASE_URL": "postgresql://app:short@db/app"}, "DATABASE_URL: has a password of less than 12"),
        ({"SHUTDOWN_TIMEOUT": "20"}, "SHUTDOWN_TIMEOUT: must not be shorter than REQUEST_TIMEOUT"),
    ],
)  # fmt: skip
def test_a_pod_with_weak_settings_does_not_become_ready_and_says_why(
    shop: Repository, login: dict[str, str], changed: dict[str, str], said: str
) -> None:
    manifests = render(shop, "staging")
    deployment = container(named(manifests, "Deployment", "web"))
    given = environment(manifests, DATABASE_URL=login["DATABASE_URL"], **{"METRICS_PORT": "0"})
    command = [str(shop.path / ".venv/bin/app"), *deployment["args"]]
    done = subprocess.run(command, env={**given, **changed}, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("app: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


def test_the_release_before_is_deployed_again_after_one_with_a_migration(
    shop: Repository, login: dict[str, str]
) -> None:
    manifests = render(shop, "production")
    arguments = container(named(manifests, "Job", "migrate"))["args"]
    assert compose(shop)["services"]["migrate"]["command"] == arguments
    newer = shop.path / "src/app/modules/catalog/migrations/0002_add_note.py"
    newer.write_text(
        '"""Add a note."""\n\nfrom alembic import op\n\n'
        'revision = "0002"\ndown_revision = "0001"\n\n\n'
        'def upgrade() -> None:\n    op.execute("ALTER TABLE catalog.items ADD note text")\n'
    )

    def migrate() -> subprocess.CompletedProcess[str]:
        command = [shop.path / ".venv/bin/app", *arguments]
        given = environment(manifests, **login)
        return subprocess.run(command, env=given, capture_output=True, text=True)

    assert "applied catalog 0002" in migrate().stdout
    newer.unlink()
    older = migrate()
    assert older.returncode == 0, older.stderr
    assert "Warning: The database is ahead of this code: catalog" in older.stderr
