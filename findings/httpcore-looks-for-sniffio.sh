#!/usr/bin/env bash
# httpcore 1.0.9 (under httpx 0.28.1) with anyio 4.16.0: each request on a connection that is open already looks
# for the package sniffio four times, on every folder of sys.path. httpcore imports it where it asks which event loop
# runs, and takes its absence for asyncio; Python remembers no import that failed. It came with anyio until that
# let go of it, and httpcore never asked for it itself. Who installs sniffio has it looked for never again.
SEEN='
anyio alone: 4 searches a request
with sniffio: 0 searches a request
'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check httpx==0.28.1 httpcore==1.0.9 anyio==4.16.0
cat >"$folder/count.py" <<'PYTHON'
import asyncio
import sys

import httpx

REQUESTS = 10
searches: list[str] = []


class Searches:
    """Finds nothing, and notes what is looked for."""

    def find_spec(self, name, path=None, target=None):
        searches.append(name)


class Answers(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Answers, "127.0.0.1", 0)
    url = "http://127.0.0.1:{}".format(server.sockets[0].getsockname()[1])
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.get(url)
        sys.meta_path.insert(0, Searches())
        for _ in range(REQUESTS):
            await client.get(url)
    server.close()
    print(f"{sys.argv[1]}: {searches.count('sniffio') // REQUESTS} searches a request")


asyncio.run(main())
PYTHON
printed=$(
  "$folder/venv/bin/python" "$folder/count.py" "anyio alone"
  "$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check sniffio==1.3.1
  "$folder/venv/bin/python" "$folder/count.py" "with sniffio"
)
echo "$printed"
[ "$printed" = "$(echo "$SEEN" | sed '/^$/d')" ]
