#!/usr/bin/env bash
# squawk-cli 2.70.0 and Alembic 1.20: one statement that squawk cannot parse switches off all of its rules
# for the rest of the text: it reports syntax-error and nothing else. Alembic's offline mode writes such
# statements by itself: the values of op.execute(table.update().values(…)) stay %(name)s. So one honest
# UPDATE hides a dropped column behind it.
# Seen on 2026-11-29:
#   alembic: UPDATE orders SET state=%(state)s;
#   squawk without it: ban-drop-column; with it: syntax-error
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check squawk-cli==2.70.0 alembic==1.20.0 psycopg2-binary
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json
import subprocess
import sys
from io import StringIO
from pathlib import Path

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

folder = Path(sys.argv[1])
written = StringIO()
context = MigrationContext.configure(
    dialect_name="postgresql", opts={"as_sql": True, "output_buffer": written}
)
orders = sa.table("orders", sa.column("state"))
with Operations.context(context) as op:
    op.execute(orders.update().values(state="open"))
update = written.getvalue().strip()
print(f"alembic: {update}")


def rules(sql: str) -> set[str]:
    (folder / "migration.sql").write_text(sql)
    found = subprocess.run(
        [folder / "venv/bin/squawk", "--reporter", "json", folder / "migration.sql"],
        capture_output=True,
        text=True,
    )
    return {each["rule_name"] for each in json.loads(found.stdout)}


drop = "ALTER TABLE orders DROP COLUMN note;\n"
without, with_it = rules(drop), rules(f"{update}\n{drop}")
banned = "ban-drop-column"
print(f"squawk without it: {banned if banned in without else without}; with it: {', '.join(sorted(with_it))}")
assert "%(state)s" in update
assert banned in without
assert with_it == {"syntax-error"}, with_it
PYTHON
