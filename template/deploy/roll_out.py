"""`make deploy` puts one image into an environment: migrations first, then services, what calls them, and routes.

What `kubectl kustomize` makes of the overlay is applied, with the image named by its digest.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_OVERLAYS = Path(__file__).parent / "overlays"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MIGRATE = "migrate"
_PATIENCE = 300.0
"""Seconds for which the Job is waited for beyond its own deadline, which ends it."""
_ROLL_OUT = "10m"
_SERVICE = "    module"
"""The label of what serves one module alone, where kustomize writes it."""


def main(environment: str, name: str, image: str, digest: str) -> None:
    """Roll out; exits with one sentence where that was not possible."""
    known = sorted(each.name for each in _OVERLAYS.iterdir())
    if environment not in known:
        sys.exit(f"environment is {environment or 'not set'}: there are {', '.join(known)}.")
    if not _DIGEST.fullmatch(digest):
        sys.exit("digest must be what a push printed: sha256: and 64 hexadecimal digits.")
    documents = render(environment, name, f"{image}@{digest}").split("\n---\n")
    deployments = [each for each in documents if _field(each, "kind") == "Deployment"]
    services = [each for each in deployments if _field(each, _SERVICE)]
    # They lead to what is ready, and until then to what was there before.
    routes = [each for each in documents if _field(each, "kind") == "Ingress"]
    jobs = [each for each in documents if _is_migration(each)]
    job = next((each for each in jobs if not _field(each, _SERVICE)), None)
    # Of services that have a database of their own.
    own = [each for each in jobs if each is not job]
    first = [each for each in documents if each not in (*deployments, *routes, *own)]
    if job is None or not deployments:
        sys.exit(f"The overlay {environment} has no Job {_MIGRATE}, or nothing that runs after it.")
    inside = ("--namespace", _field(job, "  namespace"))
    # A Job cannot be changed.
    names = [_field(each, "  name") for each in jobs]
    _kubectl("delete", "job", *names, "--ignore-not-found", *inside)
    for each, applied in ((job, first), *((each, [each]) for each in own)):
        _kubectl("apply", "--filename", "-", given="\n---\n".join(applied))
        _wait_for_migrations(each, *inside)
    _roll_out(services, inside)
    _roll_out([each for each in deployments if each not in services], inside)
    _roll_out(routes, inside)
    print(f"{environment} runs {image}@{digest}.")


def render(environment: str, name: str, image: str) -> str:
    """Return the manifests of an environment, in which every image of that name is this one."""
    rendered = _kubectl("kustomize", str(_OVERLAYS / environment))
    ours = re.compile(rf"^( *(?:- )?image: )(?:\S+/)?{re.escape(name)}(?:[:@]\S+)?$", re.MULTILINE)
    rendered, count = ours.subn(rf"\g<1>{image}", rendered)
    if not count:
        sys.exit(f"Nothing in the overlay {environment} runs the image {name}.")
    return rendered


def _roll_out(documents: Sequence[str], inside: Sequence[str]) -> None:
    """Apply them, and wait until each of their pods is ready."""
    if documents:
        _kubectl("apply", "--filename", "-", given="\n---\n".join(documents))
    for each in documents:
        if _field(each, "kind") == "Deployment":
            deployment = f"deployment/{_field(each, '  name')}"
            _kubectl("rollout", "status", deployment, "--timeout", _ROLL_OUT, *inside)


def _wait_for_migrations(job: str, *inside: str) -> None:
    name = _field(job, "  name")
    patience = float(_field(job, "  activeDeadlineSeconds") or 0) + _PATIENCE
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        status: dict[str, Any] = json.loads(
            _kubectl("get", "job", name, "--output", "json", *inside)
        )["status"]
        ended = {it["type"] for it in status.get("conditions", []) if it["status"] == "True"}
        if "Complete" in ended:
            return
        if "Failed" in ended:
            # Where its deadline ended it, there is no pod left to ask.
            logs = ["kubectl", "logs", f"job/{name}", "--tail", "50", *inside]
            subprocess.run(logs, stdout=sys.stderr, check=False)
            sys.exit("The migrations failed, so nothing else was changed: what ran before runs on.")
        time.sleep(2)
    sys.exit(f"The migrations did not end within {patience:.0f} s: look at the Job {name}.")


def _is_migration(document: str) -> bool:
    kind, name, module = (_field(document, each) for each in ("kind", "  name", _SERVICE))
    return kind == "Job" and name == (
        f"{module.replace('_', '-')}-{_MIGRATE}" if module else _MIGRATE
    )


def _field(document: str, name: str) -> str:
    """Return a field as kustomize writes it, or nothing."""
    found = re.search(rf"^{name}: (\S+)$", document, re.MULTILINE)
    return found[1] if found else ""


def _kubectl(*arguments: str, given: str | None = None) -> str:
    try:
        done = subprocess.run(
            ["kubectl", *arguments], input=given, stdout=subprocess.PIPE, text=True
        )
    except FileNotFoundError:
        sys.exit("kubectl is missing: https://kubernetes.io/docs/tasks/tools/")
    if done.returncode:
        sys.exit(f"kubectl {' '.join(arguments[:2])} failed; what it said stands above.")
    if arguments[0] in ("apply", "rollout"):
        print(done.stdout, end="")
    return done.stdout


if __name__ == "__main__":
    main(*sys.argv[1:5])
