"""`compose.yaml` of a generated repository, as Docker Compose reads it, and the files that it names."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from generated import Generate, Repository
from manifests import Manifest, compose, ready
from pipeline_tools import program_in, tool

pytestmark = pytest.mark.deployment

OURS = {"web", "worker", "migrate"}
VALID = """
import json, sys
from app.platform.settings import Settings, load_settings
given = json.load(sys.stdin)
unknown = [name for name in given if name not in Settings.model_fields]
assert not unknown, unknown
settings = load_settings(**given)
print(json.dumps({name: str(value) for name, value in settings.model_dump().items()}))
"""


@pytest.fixture(scope="module")
def shop(generate: Generate) -> Repository:
    return ready(generate)


@pytest.fixture(scope="module")
def services(shop: Repository) -> dict[str, Manifest]:
    read = compose(shop)
    (internal,) = (name for name, each in read["networks"].items() if each.get("internal"))
    assert list(read["services"]["postgres"]["networks"]) == [internal]
    return dict(read["services"])


def test_compose_says_whose_tokens_it_must_be_told_of(shop: Repository) -> None:
    done = shop.run(tool("docker-compose"), "config", "-q", check=False)
    assert "OIDC_ISSUER is missing a value: Write it into .env" in done.stdout


def test_every_service_is_hardened_and_seen_from_this_machine_alone(
    shop: Repository, services: dict[str, Manifest]
) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", [])), name
        assert re.search(r":v?\d+\.\d+", service["image"]) or name in OURS, name
        assert "healthcheck" in service or name in ("migrate", "collector"), name
        for volume in service.get("volumes", []):
            assert volume["type"] == "volume" or Path(volume["source"]).exists(), volume
    assert "ports" not in services["postgres"]
    holders = {
        name
        for name, service in services.items()
        for secret in service.get("secrets", [])
        if secret["source"] in ("migration_database_url", "admin_password")
    }
    assert holders == {"migrate", "postgres"}
    assert stat_of(shop.path / ".local/secrets") == "700"


def test_what_is_mounted_can_be_read_by_whomever_a_container_has(
    shop: Repository, services: dict[str, Manifest], tmp_path: Path
) -> None:
    private = Repository(tmp_path / "private", dict(shop.environment))
    shop.run("sh", "-c", f"umask 077 && git clone --quiet . {private.path}")
    mounted = {
        private.path / Path(volume["source"]).relative_to(shop.path)
        for service in services.values()
        for volume in service.get("volumes", [])
        if volume["type"] == "bind"
    }
    assert {stat_of(each) for each in mounted if each.exists()} <= {"600", "700"}
    # Compose reads the whole file, and needs no daemon for that.
    docker = "#!/bin/sh\n[ $2 = version ] || exec docker-compose config --quiet\n"
    programs = (program_in(tmp_path / "bin", "docker", docker), Path(tool("docker-compose")).parent)
    private.environment |= {
        "OIDC_ISSUER": "https://id.example.com",
        "OIDC_AUDIENCE": "shop",
        "PATH": os.pathsep.join([*map(str, programs), shop.environment["PATH"]]),
    }
    private.run("sh", "-c", "umask 077 && make up")
    for each in mounted:
        assert {stat_of(file) for file in (each, *each.rglob("*"))} <= {"644", "755"}
    secrets = private.path / ".local/secrets"
    assert {stat_of(file) for file in secrets.iterdir()} == {"444"}
    assert (stat_of(secrets), stat_of(private.path)) == ("700", "700")
    assert private.changes() == []


def stat_of(path: Path) -> str:
    return f"{path.stat().st_mode & 0o777:o}"


def test_passwords_are_made_once_and_not_for_git(shop: Repository) -> None:
    before = shop.read(".local/secrets/database_url")
    shop.run("sh", "deploy/compose/passwords.sh")
    assert shop.read(".local/secrets/database_url") == before
    assert not [line for line in shop.changes() if "secrets" in line]
    passwords = {urlsplit(before).password, shop.read(".local/secrets/grafana_password")}
    passwords.add(urlsplit(shop.read(".local/secrets/migration_database_url")).password)
    assert len(passwords) == 3
    assert all(re.fullmatch(r"[0-9a-f]{48}", str(each)) for each in passwords)


def settings_of(shop: Repository, service: Manifest) -> dict[str, Any]:
    """The settings that the application has in a service of compose.yaml."""
    given = {name.lower(): value for name, value in service["environment"].items()}
    del given["forwarded_allow_ips"]  # That is uvicorn's.
    for secret in service["secrets"]:
        given[secret["source"]] = shop.read(f".local/secrets/{secret['source']}")
    done = subprocess.run(
        [shop.path / ".venv/bin/python", "-c", VALID],
        input=json.dumps(given),
        env={"PATH": os.environ["PATH"]},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_the_application_takes_the_settings_of_its_services(
    shop: Repository, services: dict[str, Manifest]
) -> None:
    web = settings_of(shop, services["web"])
    worker = settings_of(shop, services["worker"])
    migrate = settings_of(shop, services["migrate"])
    assert (web["environment"], web["metrics_host"]) == ("production", "0.0.0.0")
    assert web["migration_database_url"] == worker["migration_database_url"] == "None"
    assert urlsplit(migrate["migration_database_url"]).username == "admin"
    assert seconds(services["web"]) > float(web["shutdown_delay"]) + float(web["shutdown_timeout"])
    assert seconds(services["worker"]) > float(worker["worker_drain_timeout"]) + 5
    for name in ("web", "worker"):
        assert services[name]["depends_on"] == {
            "migrate": {"condition": "service_completed_successfully", "required": True}
        }
    # Postgres has 100 connections unless told otherwise: docs/scaling.md.
    needed = int(web["database_pool_size"]) + 3 + int(worker["worker_concurrency"]) + 2 + 2
    assert needed <= 97


def test_the_image_is_built_once_and_fetched_from_nowhere(services: dict[str, Manifest]) -> None:
    assert {name for name, service in services.items() if "build" in service} == {"migrate"}
    assert len({services[name]["image"] for name in OURS}) == 1
    assert services["web"]["pull_policy"] == services["worker"]["pull_policy"] == "never"


def seconds(service: Manifest) -> float:
    """How long a service may take to stop: 45s, or 1m5s."""
    found = re.fullmatch(r"(?:(\d+)m)?(\d+)s", service["stop_grace_period"])
    assert found is not None
    return 60 * int(found[1] or 0) + int(found[2])


def test_prometheus_takes_its_configuration_and_grafana_finds_it(
    shop: Repository, services: dict[str, Manifest], tmp_path: Path
) -> None:
    mounted = {each["target"]: each["source"] for each in services["prometheus"]["volumes"]}
    for target, source in mounted.items():
        if target.startswith("/etc/prometheus/"):
            shutil.copy(source, tmp_path / Path(target).name)
    shop.run("promtool", "check", "config", str(tmp_path / "prometheus.yml"))
    config = yaml.safe_load((tmp_path / "prometheus.yml").read_text("utf-8"))
    own = yaml.safe_load(shop.read("observability/prometheus.yml"))
    for same in ("global", "rule_files"):
        assert config[same] == own[same]
    (found,) = config["scrape_configs"][0]["dns_sd_configs"]
    assert set(found["names"]) == {"web", "worker"} <= services.keys()
    provisioning = shop.path / "deploy/compose/grafana"
    for source in yaml.safe_load((provisioning / "datasources/datasources.yaml").read_text())[
        "datasources"
    ]:
        assert urlsplit(source["url"]).hostname in services
    (boards,) = yaml.safe_load((provisioning / "dashboards/dashboards.yaml").read_text())[
        "providers"
    ]
    assert boards["options"]["path"] in {each["target"] for each in services["grafana"]["volumes"]}
