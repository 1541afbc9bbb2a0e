"""The commands `app jobs`: look at what waits, runs and is held, and deal with it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import typer
from pgqueuer import Queries

from app.platform import job_records
from app.platform.job_records import JobRecord
from app.platform.queue import connect_queue
from app.platform.settings import load_settings

Result = TypeVar("Result")


class State(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    HELD = "held"


jobs = typer.Typer(
    help="Look at jobs, and deal with those that are held. Needs DATABASE_URL.",
    no_args_is_help=True,
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
InModule = Annotated[str | None, typer.Option("--module", metavar="MODULE")]
InState = Annotated[State | None, typer.Option("--state")]
Limit = Annotated[int, typer.Option(min=1, help="Show at most so many, oldest first.")]
Id = Annotated[int, typer.Argument(metavar="ID")]
Ids = Annotated[list[int] | None, typer.Argument(metavar="ID…")]


@jobs.command("list", epilog="Example: app jobs list --state held --module billing")
def list_jobs(
    module: InModule = None, state: InState = None, limit: Limit = 100, json: AsJson = False
) -> None:
    """List jobs that wait, run, or are held."""
    found = _ask(
        lambda queue: job_records.find_jobs(queue, module=module, state=state, limit=limit)
    )
    if json:
        _print_json([asdict(job) for job in found])
    else:
        typer.echo("\n".join(_line(job) for job in found) or "There are no such jobs.")


@jobs.command("count", epilog="Example: app jobs count --json")
def count_jobs(json: AsJson = False) -> None:
    """Count the jobs of each module that wait, run, or are held."""
    counts = _ask(job_records.count_jobs)
    if json:
        _print_json(counts)
        return
    lines = [
        f"{module:20} " + "  ".join(f"{number} {state}" for state, number in found.items())
        for module, found in counts.items()
    ]
    typer.echo("\n".join(lines) or "The queue is empty.")


@jobs.command("show", epilog="Example: app jobs show 42")
def show_job(id: Id, json: AsJson = False) -> None:
    """Show a job: its arguments, what became of it, and why it failed."""
    job = _ask(lambda queue: job_records.find_job(queue, id))
    steps = _ask(lambda queue: job_records.history_of(queue, id))
    if json:
        _print_json({**asdict(job), "history": [asdict(step) for step in steps]})
        return
    typer.echo(f"{_line(job)}\n\narguments  {job.arguments}\n")
    for step in steps:
        typer.echo(f"{step.at:%Y-%m-%d %H:%M:%S}  {step.what}")
        if step.error:
            typer.echo("    " + step.error.strip().replace("\n", "\n    "))


@jobs.command("retry", epilog="Example: app jobs retry 42")
def retry_jobs(ids: Ids = None, module: InModule = None) -> None:
    """Run held jobs again: those named, or all of a module."""
    chosen = _chosen(ids, module)
    _ask(lambda queue: job_records.retry_jobs(queue, chosen))
    typer.echo(f"Enqueued again: {', '.join(map(str, chosen))}." if chosen else "None is held.")


@jobs.command("drop", epilog="Example: app jobs drop 42")
def drop_jobs(ids: Ids = None, module: InModule = None) -> None:
    """Delete jobs: those named, which may also wait, or all that are held of a module."""
    chosen = _chosen(ids, module)
    _ask(lambda queue: job_records.drop_jobs(queue, chosen))
    typer.echo(f"Dropped: {', '.join(map(str, chosen))}." if chosen else "None is held.")


def _chosen(ids: list[int] | None, module: str | None) -> list[int]:
    if bool(ids) == bool(module):
        raise typer.BadParameter(
            "say which jobs: their ids, or --module for all that are held of one."
        )
    if ids:
        return ids
    found = _ask(lambda queue: job_records.find_jobs(queue, module=module, state="held"))
    return [job.id for job in found]


def _ask(question: Callable[[Queries], Awaitable[Result]]) -> Result:
    async def ask() -> Result:
        async with connect_queue(load_settings()) as queue:
            return await question(queue)

    return asyncio.run(ask())


def _line(job: JobRecord) -> str:
    failed = f"  failed {job.failed} times" if job.failed else ""
    error = f"  {job.error.splitlines()[0]}" if job.error else ""
    return f"{job.id:>8}  {job.name:30} {job.state:8} {job.due:%Y-%m-%d %H:%M:%S}{failed}{error}"


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, default=str))
