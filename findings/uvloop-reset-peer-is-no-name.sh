#!/usr/bin/env bash
# httpx 0.28.1 (httpcore 1.0.9, anyio 4.16.0) on uvloop 0.23.0: where the peer resets a connection as it is made, while
# the event loop is busy, the request ends with AttributeError, of an attribute of None, in place of httpx.ConnectError:
# anyio asks the new stream for its peer, and uvloop's transport has let go of its socket. On asyncio each such
# request ends with an error of httpx. So `except httpx.TransportError`, and every retry that goes by it, misses it.
SEEN='
asyncio: errors of httpx alone
uvloop: AttributeError among them
'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check \
  httpx==0.28.1 httpcore==1.0.9 anyio==4.16.0 uvloop==0.23.0
cat >"$folder/reset.py" <<'PYTHON'
import asyncio
import collections
import socket
import struct
import threading
import time

import httpx
import uvloop

TOGETHER, TIMES = 25, 20
server = socket.create_server(("127.0.0.1", 0), backlog=200)
url = "http://127.0.0.1:{}/".format(server.getsockname()[1])


def reset_everybody() -> None:
    while True:
        connection, _ = server.accept()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


async def be_busy() -> None:
    while True:
        time.sleep(0.003)
        await asyncio.sleep(0)


async def main(name: str) -> None:
    errors = collections.Counter()

    async def ask(client: httpx.AsyncClient) -> None:
        try:
            await client.get(url)
        except httpx.TransportError:
            errors["httpx"] += 1
        except AttributeError:
            errors["AttributeError"] += 1

    busy = asyncio.create_task(be_busy())
    async with httpx.AsyncClient(trust_env=False) as client:
        for _ in range(TIMES):
            await asyncio.gather(*(ask(client) for _ in range(TOGETHER)))
    busy.cancel()
    assert errors.total() == TOGETHER * TIMES, errors
    kind = "AttributeError among them" if errors["AttributeError"] else "errors of httpx alone"
    print(f"{name}: {kind}")


threading.Thread(target=reset_everybody, daemon=True).start()
asyncio.run(main("asyncio"))
uvloop.run(main("uvloop"))
PYTHON
printed=$("$folder/venv/bin/python" "$folder/reset.py")
echo "$printed"
[ "$printed" = "$(echo "$SEEN" | sed '/^$/d')" ]
