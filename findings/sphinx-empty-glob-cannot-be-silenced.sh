#!/usr/bin/env bash
# Sphinx 9.0.4: the warning of a toctree whose glob matches no page has a subtype, `empty_glob`, and no type. As
# suppress_warnings goes by the type, nothing that can be written there silences it, not `toc` either, which
# silences the warning of a page that is not there in the same directive. With --fail-on-warning such a toctree fails.
SEEN='
a page that is not there: warned; with toc: silent; with toc.empty_glob: warned; with empty_glob: warned
a glob that matches nothing: warned; with toc: warned; with toc.empty_glob: warned; with empty_glob: warned
'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check sphinx==9.0.4
printed=$("$folder/venv/bin/python" - "$folder" <<'PYTHON'
import subprocess
import sys
from pathlib import Path

folder = Path(sys.argv[1])
site = folder / "site"
site.mkdir()


def said(entry: str, silenced: list[str]) -> str:
    lines = ["Start", "=====", "", ".. toctree::", "   :glob:", "", f"   {entry}", ""]
    (site / "index.rst").write_text("\n".join(lines))
    (site / "conf.py").write_text(f"suppress_warnings = {silenced}\n")
    build = [folder / "venv/bin/sphinx-build", "--quiet", "--fail-on-warning", "--fresh-env"]
    done = subprocess.run([*build, site, folder / "built"], capture_output=True, text=True)
    assert ("WARNING" in done.stderr) == bool(done.returncode), done.stderr
    return "warned" if done.returncode else "silent"


for what, entry in {"a page that is not there": "absent", "a glob that matches nothing": "chapters/*"}.items():
    with_each = [f"with {each}: {said(entry, [each])}" for each in ("toc", "toc.empty_glob", "empty_glob")]
    print(f"{what}: {said(entry, [])}; {'; '.join(with_each)}")
PYTHON
)
echo "$printed"
[ "$printed" = "$(echo "$SEEN" | sed '/^$/d')" ]
