#!/usr/bin/env bash
# tach 0.35.3: the order of source_roots decides whether anything is checked. With "." before "src", as for a project
# whose tests stand beside src, each file belongs to the root that is named first and is `src.shop.…`; no import of
# `shop` is then one of the project's. All modules are "validated", exit 0, with a warning that speaks of no imports at
# all. With "src" first the same import is refused.
SEEN='
src: refused, exit 1
src before .: refused, exit 1
. before src: All modules validated, exit 0
'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check tach==0.35.3
mkdir -p "$folder/project/src/shop/orders" "$folder/project/src/shop/stock"
cd "$folder/project"
touch src/shop/__init__.py src/shop/orders/__init__.py
echo 'LEFT = 1' >src/shop/orders/lines.py
echo 'from shop.orders import lines' >src/shop/stock/__init__.py
check() {
  cat >tach.toml <<TOML
source_roots = [$2]
[[modules]]
path = "shop.orders"
depends_on = []
[[modules]]
path = "shop.stock"
depends_on = []
TOML
  code=0
  said=$("$folder/venv/bin/tach" check 2>&1) || code=$?
  case $said in
    *"'shop.stock' cannot depend on 'shop.orders'"*) what=refused ;;
    *"All modules validated"*) what="All modules validated" ;;
    *) what=$said ;;
  esac
  echo "$1: $what, exit $code"
}
printed=$(
  check "src" '"src"'
  check "src before ." '"src", "."'
  check ". before src" '".", "src"'
)
echo "$printed"
[ "$printed" = "$(echo "$SEEN" | sed '/^$/d')" ]
