#!/usr/bin/env bash
# Copier 9.19.0: a copy into a folder that is in no git repository still starts git once for each file, to
# keep the executable bit in an index that is not there; and the name of the answers file is compiled as
# a Jinja template anew for nearly every part of every path. For 100 plain files in one folder that is
# some 100 processes and 400 compilations, of which a dozen texts differ (but for the files): most of the time.
SEEN='
files: 100
git was started at least once for each: True
texts compiled, at least three for each file: True
texts that differ, but for file names: fewer than 20
'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check copier==9.19.0
mkdir "$folder/bin"
printf '#!/bin/sh\necho . >>"%s/calls"\nexec "%s" "$@"\n' "$folder" "$(command -v git)" >"$folder/bin/git"
chmod +x "$folder/bin/git"
cd "$folder"
printed=$(PATH="$folder/bin:$PATH" "$folder/venv/bin/python" - <<'PYTHON'
from pathlib import Path

from copier import run_copy
from jinja2 import Environment

FILES = 100
template = Path("template/notes")
template.mkdir(parents=True)
(template.parent / "copier.yml").write_text("name: {type: str, default: shop}\n")
for number in range(FILES):
    (template / f"{number}.txt").write_text("plain\n")

texts = []
compile_ = Environment.from_string


def from_string(environment, source, *rest, **named):
    texts.append(str(source))
    return compile_(environment, source, *rest, **named)


Environment.from_string = from_string
run_copy("template", "made", defaults=True, quiet=True)
different = {text for text in texts if not text.endswith(".txt")}
print(f"files: {len(list(Path('made/notes').iterdir()))}")
calls = Path("calls").read_text().count(".")
print(f"git was started at least once for each: {calls >= FILES}")
print(f"texts compiled, at least three for each file: {len(texts) >= 3 * FILES}")
print(f"texts that differ, but for file names: {'fewer than 20' if len(different) < 20 else len(different)}")
PYTHON
)
echo "$printed"
[ "$printed" = "$(echo "$SEEN" | sed '/^$/d')" ]
