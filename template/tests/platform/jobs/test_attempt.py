"""What an attempt to run a job lets its code know."""

import asyncio
from dataclasses import dataclass
from types import SimpleNamespace

from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.jobs.attempt import attempt
from app.platform.jobs.jobs import BoundJob, Options
from app.platform.timeouts import until


@dataclass(frozen=True)
class Nothing:
    """No arguments."""


async def test_who_calls_other_processes_knows_how_long_a_job_has(engine: AsyncEngine) -> None:
    left: list[float] = []

    async def note(_arguments: Nothing) -> None:
        left.append(until.get() - asyncio.get_running_loop().time())

    options, adapter = Options(deadline=30), TypeAdapter(Nothing)
    job = BoundJob("a.note", "a", options, note, None, adapter, Nothing, takes_tx=False)
    row = SimpleNamespace(id=1, entrypoint=job.name, payload=b"{}", headers=None, attempts=0)
    await attempt(engine, job, row)  # type: ignore[arg-type]
    assert 0 < left[0] <= 30
    assert until.get() == float("inf")
