#!/usr/bin/env bash
# kubernetes-validate 1.37.0: the items of a `kind: List` are judged by nothing, even with --strict.
# It warns that it knows no schema of the kind List and exits 0; the same Deployment in a document of its
# own is refused with 1. `kubectl get -o yaml` writes such lists, and `kubectl apply` takes them.
# Seen on 2026-11-29:
#   alone: 1, in a list: 0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check kubernetes-validate==1.37.0
cat >"$folder/alone.yaml" <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: many
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: shop}]}
YAML
{ printf 'apiVersion: v1\nkind: List\nitems:\n  - '; sed '2,$s/^/    /' "$folder/alone.yaml"; } >"$folder/list.yaml"
judge() {
  "$folder/venv/bin/kubernetes-validate" --strict "$1" >&2 && echo 0 || echo $?
}
alone=$(judge "$folder/alone.yaml")
list=$(judge "$folder/list.yaml")
echo "alone: $alone, in a list: $list"
test "$alone $list" = "1 0"
