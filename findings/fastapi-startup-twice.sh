#!/usr/bin/env bash
# FastAPI 0.165.0: a startup handler of a router runs twice, though the router is included once: include_router
# hands its handlers to the application, and merges the router's lifespan, which runs them as well. So do shutdown
# handlers. An application with a lifespan of its own runs them once: it leaves out what it was handed. A lifespan
# of the router runs once for each include_router: a router at two prefixes opens everything twice.
SEEN='
handlers, included once: start start stop stop
handlers, included twice: start start start start stop stop stop stop
handlers, included once in an application with a lifespan: start stop
lifespan, included once: start stop
lifespan, included twice: start start stop stop
'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check fastapi==0.165.0 starlette==1.10.0
printed=$("$folder/venv/bin/python" - <<'PYTHON'
import asyncio
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

ran: list[str] = []


@asynccontextmanager
async def lifespan(app):
    ran.append("start")
    yield
    ran.append("stop")


@asynccontextmanager
async def nothing(app):
    yield


async def serve(app: FastAPI, router: APIRouter, *prefixes: str) -> str:
    for prefix in prefixes:
        app.include_router(router, prefix=prefix)
    ran.clear()
    async with app.router.lifespan_context(app):
        pass
    return " ".join(ran)


async def main() -> None:
    handlers = APIRouter(
        on_startup=[lambda: ran.append("start")], on_shutdown=[lambda: ran.append("stop")]
    )
    with_lifespan = APIRouter(lifespan=lifespan)
    print("handlers, included once:", await serve(FastAPI(), handlers, "/v1"))
    print("handlers, included twice:", await serve(FastAPI(), handlers, "/v1", "/v2"))
    both = await serve(FastAPI(lifespan=nothing), handlers, "/v1")
    print("handlers, included once in an application with a lifespan:", both)
    print("lifespan, included once:", await serve(FastAPI(), with_lifespan, "/v1"))
    print("lifespan, included twice:", await serve(FastAPI(), with_lifespan, "/v1", "/v2"))


asyncio.run(main())
PYTHON
)
echo "$printed"
[ "$printed" = "$(echo "$SEEN" | sed '/^$/d')" ]
