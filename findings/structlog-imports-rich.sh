#!/usr/bin/env bash
# structlog 25.5.0: `import structlog` imports rich, and pygments through it, wherever rich happens to be
# installed, although neither structlog.dev nor a traceback is asked for. Typer 0.29 installs rich, so a
# command-line tool that logs pays for it at each start: more modules than structlog itself has.
SEEN='
without rich: rich False, pygments False
with rich: rich True, pygments True
of the modules that came, more than half are not structlog: True
'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip() { "$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check "$@"; }
look() {
  "$folder/venv/bin/python" - <<'PYTHON'
import sys

before = set(sys.modules)
import structlog

came = sys.modules.keys() - before
print(f"rich {'rich' in came}, pygments {'pygments' in came}")
ours = [name for name in came if name.partition(".")[0] == "structlog"]
others = [name for name in came if name.partition(".")[0] in ("rich", "pygments")]
print(f"of the modules that came, more than half are not structlog: {len(others) > len(ours)}")
PYTHON
}
pip structlog==25.5.0
printed="without rich: $(look | head -n 1)"
pip rich==14.2.0 pygments==2.19.2
printed="$printed
with rich: $(look)"
echo "$printed"
[ "$printed" = "$(echo "$SEEN" | sed '/^$/d')" ]
