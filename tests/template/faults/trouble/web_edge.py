"""Routes that answer oddly."""

import asyncio
from collections.abc import AsyncIterator

from app.platform.auth import PUBLIC
from app.platform.database import Database
from fastapi import APIRouter, BackgroundTasks
from fastapi.responses import JSONResponse, StreamingResponse
from sqlalchemy import text


def routes(db: Database) -> APIRouter:
    router = APIRouter(prefix="/edge")

    async def note(words: str) -> None:
        async with db.transaction() as tx:
            await tx.execute(
                text("INSERT INTO trouble.notes (words) VALUES (:words)"), {"words": words}
            )

    async def fail() -> None:
        raise RuntimeError("on purpose")

    @router.get("/open", openapi_extra=PUBLIC)
    async def for_everybody() -> str:
        return "open"

    @router.post("/fail")
    async def fail_at_once() -> None:
        await fail()

    @router.post("/fail-afterwards")
    async def fail_afterwards(background: BackgroundTasks) -> str:
        background.add_task(fail)
        return "done"

    @router.post("/fail-halfway")
    async def fail_halfway() -> StreamingResponse:
        async def half() -> AsyncIterator[bytes]:
            yield b"half"
            await fail()

        return StreamingResponse(half())

    @router.post("/time-out")
    async def time_out() -> None:
        raise TimeoutError("a partner's")

    @router.post("/slow")
    async def slow() -> None:
        await asyncio.sleep(60)

    @router.post("/slow/body")
    async def slow_with_body(numbers: list[int]) -> None:
        await asyncio.sleep(60)

    @router.post("/query")
    async def query(first: str = "") -> None:
        """Ask what takes too long, perhaps once something else is committed."""
        if first:
            await note(first)
        async with db.transaction() as tx:
            await tx.execute(text("SELECT pg_sleep(60)"))

    @router.post("/note")
    async def write(words: str, background: BackgroundTasks) -> JSONResponse:
        """Note it, and again in the background; a handler that takes no error for an answer."""
        background.add_task(note, f"{words} again")
        try:
            await note(words)
        except Exception:
            return JSONResponse("not done", 200)
        return JSONResponse("done", 201)

    return router
