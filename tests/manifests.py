"""What `deploy/` and `compose.yaml` of a generated repository come to, as the tools that run them see it."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import yaml
from generated import UV, Generate, Repository
from pipeline_tools import tool

Manifest = dict[str, Any]


def ready(generate: Generate) -> Repository:
    """A repository that is installed, with the passwords of `compose.yaml`."""
    shop = generate(deploy="both", catalog="backstage")
    shop.run(UV, "sync", "--quiet")
    shop.run("sh", "deploy/compose/passwords.sh")
    shop.make("rules", "dashboards")
    return shop


def render(shop: Repository, overlay: str) -> list[Manifest]:
    done = shop.run(tool("kubectl"), "kustomize", f"deploy/overlays/{overlay}")
    return list(yaml.safe_load_all(done.stdout))


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """The one of a kind whose name begins so: that of a ConfigMap ends in a hash."""
    (found,) = (
        each
        for each in manifests
        if each["kind"] == kind and each["metadata"]["name"].startswith(name)
    )
    return found


def pod(manifest: Manifest) -> Manifest:
    spec: Manifest = manifest["spec"]["template"]["spec"]
    return spec


def container(manifest: Manifest) -> Manifest:
    (only,) = pod(manifest)["containers"]
    return dict(only)


def workloads(manifests: list[Manifest]) -> list[Manifest]:
    return [each for each in manifests if "template" in each.get("spec", {})]


def compose(shop: Repository, *options: str) -> Manifest:
    """What Docker Compose makes of compose.yaml."""
    given = {"OIDC_ISSUER": "https://id.example.com", "OIDC_AUDIENCE": "shop"}
    done = subprocess.run(
        [tool("docker-compose"), *options, "config", "--format", "json"],
        cwd=shop.path,
        env={**shop.environment, **given},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    read: Manifest = json.loads(done.stdout)
    return read


def with_tools(shop: Repository) -> Repository:
    """The repository on a machine that has kubectl."""
    path = os.pathsep.join([str(Path(tool("kubectl")).parent), shop.environment["PATH"]])
    return Repository(shop.path, {**shop.environment, "PATH": path})
