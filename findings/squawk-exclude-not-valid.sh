#!/usr/bin/env bash
# squawk-cli 2.70.0: of an EXCLUDE constraint it asks for NOT VALID, which no PostgreSQL takes.
# The rule constraint-missing-not-valid fires at ADD CONSTRAINT … EXCLUDE; PostgreSQL's own grammar (here of
# 18, by postgast 0.2.0) refuses the statement that follows its advice. There is no online way to add one
# to a large table but a new table.
# Seen on 2026-11-29:
#   squawk: constraint-missing-not-valid
#   PostgreSQL: EXCLUDE constraints cannot be marked NOT VALID
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check squawk-cli==2.70.0 postgast==0.2.0
cat >"$folder/add.sql" <<'SQL'
ALTER TABLE rooms.stays ADD CONSTRAINT no_overlap EXCLUDE USING gist (during WITH &&);
SQL
"$folder/venv/bin/squawk" --reporter json "$folder/add.sql" >"$folder/found.json" || true
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json
import sys
from pathlib import Path

import postgast

folder = Path(sys.argv[1])
rules = {each["rule_name"] for each in json.loads((folder / "found.json").read_text())}
asked = "constraint-missing-not-valid"
print(f"squawk: {asked if asked in rules else sorted(rules)}")
try:
    postgast.parse((folder / "add.sql").read_text().replace(");", ") NOT VALID;"))
    said = "takes it"
except postgast.PgQueryError as error:
    said = str(error)
print(f"PostgreSQL: {said}")
assert asked in rules and "NOT VALID" in said, (rules, said)
PYTHON
