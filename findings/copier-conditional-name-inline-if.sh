#!/usr/bin/env bash
# Jinja2 3.1.6 under Copier 9.19.0: an inline `if` without an `else` is a SyntaxError in a file whose *name*
# holds a quotation mark, and fine in any other file. Jinja2 writes the template's name, unescaped, into
# the Python that it generates for "the inline if-expression on line … evaluated to false". Copier's
# conditional file names ({% if ci == 'gitlab' %}…{% endif %}) have such quotation marks, and Copier
# passes them on as they are: the error names neither the quotation mark nor the file. `else ''` avoids it.
SEEN='
plain.txt: []
conditional name, with else: []
conditional name: SyntaxError
'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check copier==9.19.0 jinja2==3.1.6
cd "$folder"
printed=$("$folder/venv/bin/python" - <<'PYTHON'
from pathlib import Path

from copier import run_copy

CONDITIONAL = "{% if ci == 'gitlab' %}plain.txt{% endif %}.jinja"
CASES = {
    "plain.txt": ("plain.txt.jinja", "[{{ 'asked' if asked }}]"),
    "conditional name, with else": (CONDITIONAL, "[{{ 'asked' if asked else '' }}]"),
    "conditional name": (CONDITIONAL, "[{{ 'asked' if asked }}]"),
}
QUESTIONS = "ci: {type: str, default: gitlab}\nasked: {type: bool, default: false}\n"
for number, (case, (name, text)) in enumerate(CASES.items()):
    template, made = Path(f"template{number}"), Path(f"made{number}")
    template.mkdir()
    (template / "copier.yml").write_text(QUESTIONS)
    (template / name).write_text(text)
    try:
        run_copy(str(template), made, defaults=True, quiet=True)
        print(f"{case}: {(made / 'plain.txt').read_text()}")
    except Exception as error:
        print(f"{case}: {type(error).__name__}")
PYTHON
)
echo "$printed"
[ "$printed" = "$(echo "$SEEN" | sed '/^$/d')" ]
