"""The console of a small application, and a browser that looks at it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI, Header
from httpx import AsyncClient
from pydantic import BaseModel, TypeAdapter
from sqlalchemy.ext.asyncio import AsyncEngine

from app.development.console.recorder import Recorder
from app.development.console.routes import Console
from app.platform.auth.principal import Caller, needs, PUBLIC
from app.platform.database.database import Tx
from app.platform.flags.provider import FlagFiles
from app.platform.jobs.jobs import BoundJob, Options
from app.platform.settings.settings import Settings
from app.platform.web.http import create_api
from app.platform.wiring.modules import ModuleFolder

from ..browsing import open_browser


class Invoice(BaseModel):
    number: int
    note: str


async def checked(_: Annotated[None, needs("billing:check")]) -> None: ...


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def api(settings: Settings, engine: AsyncEngine) -> FastAPI:
    router = APIRouter()

    @router.get("/prices", openapi_extra=PUBLIC)
    async def prices(of: str = "") -> dict[str, str]:
        return {"of": of}

    @router.post("/invoices", dependencies=[needs("billing:write")])
    async def write(body: Invoice) -> None: ...

    @router.patch("/invoices/{number}", dependencies=[Depends(checked)])
    async def change(
        number: int, note: Annotated[str, Header()], caller: Caller
    ) -> dict[str, object]:
        return {"number": number, "note": note, "by": caller.id, "scopes": sorted(caller.scopes)}

    @asynccontextmanager
    async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
        yield

    return create_api({"billing": router}, lifespan, settings, engine)


@pytest.fixture
def console(
    api: FastAPI, settings: Settings, folders: list[ModuleFolder], recorder: Recorder
) -> Console:
    bound = BoundJob("billing.audit", "billing", Options(), audit, None, TypeAdapter(str), str)
    return Console(api, settings, folders, {bound.name: bound}, FlagFiles(folders), recorder)


@pytest.fixture
async def browser(console: Console) -> AsyncIterator[AsyncClient]:
    """A browser on this machine."""
    async with open_browser(console) as client:
        yield client


async def audit(tx: Tx, text: str) -> None: ...
