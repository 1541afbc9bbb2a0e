"""What `make audit` says of dependencies, when it asks an OSV that knows what it is told."""

import os
from pathlib import Path

import pytest
from generated import UV, Repository
from pipeline_tools import known_vulnerabilities, uv_that_asks

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def locked(shop: Repository) -> Repository:
    shop.run(UV, "lock", "--quiet")
    return shop


def asking(shop: Repository, folder: Path, osv: str) -> Repository:
    """The repository with a uv that asks this one."""
    path = [str(uv_that_asks(folder / "bin", osv)), shop.environment["PATH"]]
    shell = {**shop.environment, "PATH": os.pathsep.join(path), "UV_HTTP_RETRIES": "0"}
    return Repository(shop.path, shell)


def test_a_known_vulnerability_turns_the_audit_red(locked: Repository, tmp_path: Path) -> None:
    with known_vulnerabilities({"fastapi": "GHSA-0000-0000-0001"}) as osv:
        refused = asking(locked, tmp_path, osv).run("make", "audit", check=False)
    assert refused.returncode == 2
    assert "GHSA-0000-0000-0001" in refused.stdout


def test_an_audit_that_cannot_ask_is_no_green_one(locked: Repository, tmp_path: Path) -> None:
    shop = asking(locked, tmp_path, "http://127.0.0.1:1")
    assert shop.run("make", "audit", check=False).returncode == 2
