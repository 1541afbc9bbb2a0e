#!/usr/bin/env bash
# postgast 0.2.0: `parse_plpgsql` reads the body of a function, but not of one that RETURNS trigger: the answer
# of libpg_query is no JSON then, and JSONDecodeError comes out. Trigger functions are what most PL/pgSQL is.
# `split(method="scanner")` drops a statement that begins with no keyword it knows, and says nothing.
# Seen on 2026-11-29:
#   RETURNS int: read, RETURNS trigger: JSONDecodeError
#   statements: 3, split by the scanner: 2
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check postgast==0.2.0
"$folder/venv/bin/python" - <<'PYTHON'
import json

import postgast

FUNCTION = "CREATE FUNCTION f() RETURNS {} LANGUAGE plpgsql AS $$ BEGIN RETURN {}; END $$"


def read(returns: str, value: str) -> str:
    try:
        postgast.parse_plpgsql(FUNCTION.format(returns, value))
        return "read"
    except json.JSONDecodeError as error:
        return type(error).__name__


seen = read("int", "1"), read("trigger", "NEW")
print(f"RETURNS int: {seen[0]}, RETURNS trigger: {seen[1]}")
parts = list(postgast.split("SELECT 1; REPACK orders; SELECT 2", method="scanner"))
print(f"statements: 3, split by the scanner: {len(parts)}")
assert seen == ("read", "JSONDecodeError"), seen
assert len(parts) == 2, parts
PYTHON
