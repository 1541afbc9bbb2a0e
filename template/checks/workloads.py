"""What runs in an environment: whose it is, what it is given, and what a service would lack."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from checks.source import ROOT

_SERVICE = "module"
"""The label of what serves one module alone."""
Manifest = dict[str, Any]


def pod(workload: Manifest) -> Manifest:
    found: Manifest = workload["spec"]["template"]["spec"]
    return found


def module_of(workload: Manifest) -> str:
    """Return the module that a workload alone serves, or nothing."""
    return str(workload["metadata"].get("labels", {}).get(_SERVICE, ""))


def part_of(workload: Manifest) -> str:
    """Return what a workload is made of: web, worker or migrate; or carve, which moves data."""
    name: str = workload["metadata"]["name"]
    return name.rpartition("-")[2] if module_of(workload) else name


def with_own_data(manifests: Sequence[Manifest]) -> set[str]:
    """Return the services that have a database of their own: those with migrations for it."""
    return {module_of(each) for each in manifests if each["kind"] == "Job"} - {""}


def container(workload: Manifest) -> Manifest:
    containers: list[Manifest] = pod(workload)["containers"]
    return next(each for each in containers if each["name"] == part_of(workload))


def secrets(workload: Manifest) -> Iterator[str]:
    """Yield the names of the Secrets of which a workload mounts every key."""
    for volume in pod(workload)["volumes"]:
        if "secret" in volume:
            yield volume["secret"]["secretName"]
        for source in volume.get("projected", {}).get("sources", []):
            if "secret" in source:
                yield source["secret"]["name"]


def variables(workload: Manifest, manifests: Sequence[Manifest]) -> dict[str, str]:
    """Return the environment that a workload has; of what stands twice, the last counts."""
    maps = {each["metadata"]["name"]: each for each in manifests if each["kind"] == "ConfigMap"}
    used = [each["configMapRef"]["name"] for each in container(workload).get("envFrom", [])]
    return {
        name: value for each in used if each in maps for name, value in maps[each]["data"].items()
    } | {each["name"]: each.get("value", "") for each in container(workload).get("env", [])}


def service_complaints(
    workloads: Mapping[str, Manifest], manifests: Sequence[Manifest]
) -> Iterator[str]:
    """Say what services would lack: modules that they call, a login of their own, somebody who answers."""
    answering = {each["metadata"]["name"] for each in manifests if each["kind"] == "Service"}
    moved = with_own_data(manifests)
    for name, workload in workloads.items():
        given = variables(workload, manifests)
        pairs = (each.partition("=") for each in given.get("REMOTE_MODULES", "").split())
        there = {each: address for each, _, address in pairs}
        if module := module_of(workload):
            toml = ROOT / "src" / "app" / "modules" / module / "module.toml"
            needed = tomllib.loads(toml.read_text("utf-8"))["depends_on"] if toml.exists() else []
            for each in sorted(set(needed) - there.keys() - set(given.get("MODULES", "").split())):
                yield f"{name} would not start: {module} needs {each}, and REMOTE_MODULES does not say where it is"
            if "app" in secrets(workload):
                yield f"{name} mounts the Secret app: a service has a login of its own"
        elif part_of(workload) != "migrate":
            for each in sorted(moved - there.keys()):
                yield (
                    f"{name} would serve {each} from the main database, and its data may be in one "
                    "of its own: REMOTE_MODULES must say where it is"
                )
        for each, address in there.items():
            host = urlsplit(address).hostname or ""
            if "." not in host and host not in answering:
                yield f"{name}: REMOTE_MODULES has {each} at {host}, and there is no such Service"
