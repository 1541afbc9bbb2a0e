#!/usr/bin/env bash
# postgast 0.2.0: `extract_tables` names what is no table, and leaves out one that is.
# The name of a WITH query and the alias in FOR UPDATE OF count as tables; the table of DROP TABLE does not.
# The tree itself has it all: walk its RangeVar nodes, mind the scopes of WITH, and read DropStmt apart.
# Seen on 2026-11-29:
#   WITH recent AS (SELECT 1) SELECT * FROM recent: ['recent']
#   SELECT * FROM orders AS o FOR UPDATE OF o: ['orders', 'o']
#   DROP TABLE orders: []
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check postgast==0.2.0
"$folder/venv/bin/python" - <<'PYTHON'
import postgast

seen = {
    sql: list(postgast.extract_tables(postgast.parse(sql)))
    for sql in (
        "WITH recent AS (SELECT 1) SELECT * FROM recent",
        "SELECT * FROM orders AS o FOR UPDATE OF o",
        "DROP TABLE orders",
    )
}
for sql, tables in seen.items():
    print(f"{sql}: {tables}")
assert list(seen.values()) == [["recent"], ["orders", "o"], []]
PYTHON
