"""`python -m checks.manifests` renders each overlay of `deploy/`, and says what would not run.

What Kubernetes or the application would refuse, what kustomize loses, pods that are killed too early, an
admin's password where it does not belong, and more connections than Postgres has.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from app.platform.settings import load_settings, Settings, SettingsError
from app.platform.web import create_tokens
from checks.kustomizations import lost_patches, repeated, repeated_in_files
from checks.source import ROOT
from checks.workloads import (
    container,
    Manifest,
    module_of,
    part_of,
    pod,
    secrets,
    service_complaints,
    variables,
    with_own_data,
)

OVERLAYS = ROOT / "deploy" / "overlays"
_PARTS = ("web", "worker", "migrate")
"""What runs, by the name of its Deployment or Job and of its container."""
_RUNNING = ("web", "worker")
_SECRETS = {
    "app": {"database_url": "postgresql://app:what-the-store-has@postgres/app"},
    "migrate": {"migration_database_url": "postgresql://admin:what-the-store-has@postgres/app"},
}
"""What stands in for the Secrets that pods mount; of a service, both begin with its name."""
_OWN = {
    "app": {"own_database_url": "postgresql://app:what-the-store-has@postgres/own"},
    "migrate": {"own_migration_database_url": "postgresql://admin:what-the-store-has@postgres/own"},
}
"""What those of a service have as well, if it has a database of its own."""
_KEYS = {"remote_keys": "made-up:" + "A" * 43 + "="}
"""What calls between services are signed with, where there are some."""
_NOT_OURS = ("FORWARDED_ALLOW_IPS", "OTEL_")
"""Variables that others read: uvicorn, OpenTelemetry."""
_RESERVED = 3
"""Connections that Postgres keeps for superusers."""
_MIGRATE = 2
"""Connections of `app migrate`: its own, and the one that looks who is in its way."""


def render(overlay: Path, *options: str) -> list[Manifest]:
    """Return what an overlay consists of; exits with one sentence where it cannot be rendered.

    The items of a `kind: List` stand for themselves: no schema would be asked about them.
    """
    if shutil.which("kubectl") is None:
        raise SystemExit("kubectl is missing: https://kubernetes.io/docs/tasks/tools")
    command = ["kubectl", "kustomize", str(overlay), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        name = overlay.relative_to(ROOT) if overlay.is_relative_to(ROOT) else overlay
        raise SystemExit(f"{name} cannot be rendered: {done.stderr.strip()}")
    return list(_single(yaml.safe_load_all(done.stdout)))


def _single(manifests: Iterable[Manifest]) -> Iterator[Manifest]:
    for each in manifests:
        if each["kind"].endswith("List") and "items" in each:
            yield from _single(each["items"])
        else:
            yield each


def complaints(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Say what is wrong with what is to run in one environment."""
    for each in manifests:
        for said in repeated(each):
            yield f"{each['kind']} {each['metadata']['name']}: {said}"
    yield from _against_schemas(each for each in manifests if not _is_custom(each))
    workloads = {
        each["metadata"]["name"]: each
        for each in manifests
        if each["kind"] in ("Deployment", "Job")
    }
    if missing := sorted(set(_PARTS) - workloads.keys()):
        yield f"nothing runs {', '.join(missing)}"
        return
    workloads = {
        name: workload
        for name, workload in workloads.items()
        if name in _PARTS or module_of(workload)
    }
    settings: dict[str, Settings] = {}
    for name, workload in workloads.items():
        try:
            settings[name] = _settings(workload, manifests)
            if part_of(workload) == "web":
                create_tokens(settings[name])
        except SettingsError as error:
            yield f"{name} would not start: {error}"
        yield from _secrets_complaints(name, workload)
    if len(settings) < len(workloads):
        return
    yield from _metrics_complaints(workloads, settings)
    yield from _grace_complaints(workloads, settings)
    yield from _connection_complaints(workloads, settings, manifests)
    yield from service_complaints(workloads, manifests)


def _is_custom(manifest: Manifest) -> bool:
    """Say whether a kind is not Kubernetes' own, so that there is no schema here to hold it to."""
    group = str(manifest["apiVersion"]).partition("/")[0]
    return "." in group and (not group.endswith(".k8s.io") or group.startswith("gateway."))


def _against_schemas(manifests: Iterable[Manifest]) -> Iterator[str]:
    with TemporaryDirectory() as folder:
        file = Path(folder, "manifests.yaml")
        file.write_text(yaml.safe_dump_all(manifests), "utf-8")
        program = Path(sys.executable).with_name("kubernetes-validate")
        command = [str(program), "--strict", "--quiet", str(file)]
        done = subprocess.run(command, capture_output=True, text=True)
        said = (done.stdout + done.stderr).replace(f"{file} ", "").strip()
    if done.returncode or said:
        yield said


def _settings(workload: Manifest, manifests: Sequence[Manifest]) -> Settings:
    """Return the settings that the application would have; raises SettingsError."""
    given = variables(workload, manifests)
    known = {name.upper() for name in Settings.model_fields}
    for name in given:
        if name not in known and not name.startswith(_NOT_OURS):
            raise SettingsError(f"{name}: there is no such setting")
        if any(name.lower() in each for each in (*_SECRETS.values(), *_OWN.values(), _KEYS)):
            raise SettingsError(f"{name}: is secret, and would be read by everybody here")
    # A file of a pod is not here.
    values = {name.lower(): value for name, value in given.items() if not name.endswith("_FILE")}
    values = {name: value for name, value in values.items() if name.upper() in known}
    module = module_of(workload)
    for secret in secrets(workload):
        whose, _, kind = secret.rpartition("-")
        if not (module and whose):
            values |= _SECRETS.get(secret, {})
            continue
        if kind == "app":
            pairs = (each.partition("=") for each in given.get("SERVICE_LOGINS", "").split())
            login = next((login for name, _, login in pairs if name == module), "app")
            values["database_url"] = f"postgresql://{login}:what-the-store-has@postgres/app"
        if module in with_own_data(manifests):
            values |= _OWN.get(kind, {})
    if any(map(module_of, manifests)):
        values |= _KEYS
    return load_settings(**values)


def _secrets_complaints(name: str, workload: Manifest) -> Iterator[str]:
    mounted, part = set(secrets(workload)), part_of(workload)
    if name == "migrate" and "migrate" not in mounted:
        yield "migrate does not mount the Secret migrate, with MIGRATION_DATABASE_URL"
    for each in sorted(mounted) if part in _RUNNING else ():
        if each.rpartition("-")[2] == "migrate":
            yield f"{name} mounts the Secret {each}: only app migrate needs the admin's URL"


def _metrics_complaints(
    workloads: Mapping[str, Manifest], settings: Mapping[str, Settings]
) -> Iterator[str]:
    for name, workload in workloads.items():
        if part_of(workload) not in _RUNNING:
            continue
        ports = {each["name"]: each["containerPort"] for each in container(workload)["ports"]}
        mine = settings[name]
        if ports.get("metrics") != mine.metrics_port or mine.metrics_host == "127.0.0.1":
            yield f"{name}: METRICS_HOST and METRICS_PORT are not the container's port `metrics`"


def _grace_complaints(
    workloads: Mapping[str, Manifest], settings: Mapping[str, Settings]
) -> Iterator[str]:
    for name, workload in workloads.items():
        mine, part = settings[name], part_of(workload)
        if part not in _RUNNING:
            continue
        seconds, what = {
            "web": (
                mine.shutdown_delay + mine.shutdown_timeout,
                "SHUTDOWN_DELAY + SHUTDOWN_TIMEOUT",
            ),
            # What does not end in time has so long to be undone and handed back.
            "worker": (mine.worker_drain_timeout + 14, "WORKER_DRAIN_TIMEOUT + 14"),
        }[part]
        given = pod(workload).get("terminationGracePeriodSeconds", 30)
        if given <= seconds:
            yield (
                f"{name} would be killed too early: terminationGracePeriodSeconds {given} must be "
                f"more than {what} = {seconds:g}"
            )


def _connection_complaints(
    workloads: Mapping[str, Manifest],
    settings: Mapping[str, Settings],
    manifests: Sequence[Manifest],
) -> Iterator[str]:
    """Compare what Postgres has with what all pods may open while a deployment is under way."""
    stated = {
        int(each["metadata"]["annotations"]["max-connections"])
        for each in manifests
        if "max-connections" in each["metadata"].get("annotations", {})
    }
    if len(stated) != 1:
        yield "the overlay does not say how many connections Postgres has: max-connections"
        return
    most = {
        each["metadata"]["name"]: each["spec"]["maxReplicas"]
        for each in manifests
        if each["kind"] == "HorizontalPodAutoscaler"
    }
    running = [name for name, each in workloads.items() if part_of(each) in _RUNNING]
    pods: dict[str, int] = {}
    for name in running:
        spec = workloads[name]["spec"]
        surge = spec.get("strategy", {}).get("rollingUpdate", {}).get("maxSurge", "not set")
        if not isinstance(surge, int):
            yield f"{name}: maxSurge is {surge}: write a number of pods, for connections to be counted"
            continue
        # One that leaves may still work while the next one starts.
        pods[name] = most.get(name, spec.get("replicas", 1)) + surge + 1
    if len(pods) < len(running):
        return
    # docs/scaling.md says what the others are for.
    moved = with_own_data(manifests)
    of_each = {
        name: 3 + settings[name].database_pool_size
        if part_of(workloads[name]) == "web"
        else 3 + 2 * (module_of(workloads[name]) in moved) + settings[name].worker_concurrency
        for name in running
    }
    needed = sum(pods[name] * of_each[name] for name in running) + _MIGRATE
    there = stated.pop() - _RESERVED
    if needed > there:
        counted = " + ".join(f"{pods[name]} {name} * {of_each[name]}" for name in running)
        yield (
            f"too many connections: {counted} + {_MIGRATE} migrate = {needed}, and Postgres has "
            f"{there}. Lower maxReplicas, DATABASE_POOL_SIZE or WORKER_CONCURRENCY"
        )


def main() -> None:
    """Check all overlays; exit with 1 if one is not fit to run."""
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)  # What is set here is not set there.
    rendered = {
        overlay.relative_to(ROOT): render(overlay) for overlay in sorted(OVERLAYS.iterdir())
    }
    found = [
        f"{overlay}: {each}"
        for overlay, manifests in rendered.items()
        for each in (*complaints(manifests), *lost_patches(ROOT / overlay, render))
    ]
    found += [f"deploy/{each}" for each in repeated_in_files(OVERLAYS.parent)]
    print("\n".join(found) or "Every overlay is fit to run.")
    custom = {each["kind"] for all in rendered.values() for each in all if _is_custom(each)}
    if custom:
        print(f"Only the cluster has schemas of these: {', '.join(sorted(custom))}.")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
