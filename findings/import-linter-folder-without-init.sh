#!/usr/bin/env bash
# import-linter 2.16: what runs through a folder without `__init__.py` is not seen, and the contract is KEPT.
# Python imports through such a folder all the same. Here high imports middle, middle imports low, and high
# is forbidden to reach low: broken while middle has its `__init__.py`, kept once that file is gone.
# Seen on 2026-11-29:
#   with __init__.py: broken; without: kept; Python imported shop.low: True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check import-linter==2.16
mkdir -p "$folder/shop/middle"
cd "$folder"
touch shop/__init__.py shop/low.py shop/middle/__init__.py
echo 'from shop.middle import part' >shop/high.py
echo 'import shop.low' >shop/middle/part.py
cat >.importlinter <<'INI'
[importlinter]
root_package = shop

[importlinter:contract:layers]
name = high does not reach low
type = forbidden
source_modules = shop.high
forbidden_modules = shop.low
INI
judge() {
  rm -rf .import_linter_cache
  PYTHONPATH=. venv/bin/lint-imports >&2 && echo kept || echo broken
}
with=$(judge)
rm shop/middle/__init__.py
without=$(judge)
imported=$(PYTHONPATH=. venv/bin/python -c 'import shop.high, sys; print("shop.low" in sys.modules)')
echo "with __init__.py: $with; without: $without; Python imported shop.low: $imported"
test "$with $without $imported" = "broken kept True"
