"""The commands `app jobs`: look at what waits, runs and is held, and deal with it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any, TYPE_CHECKING, TypeVar

import typer

from app import modules
from app.cli_development import present_settings

if TYPE_CHECKING:
    from pgqueuer import Queries

    from app.platform.jobs import JobRecord, Known, Left
    from app.platform.settings import Settings

Result = TypeVar("Result")


class State(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    HELD = "held"
    UNKNOWN = "unknown"


def _state(value: str) -> State:
    try:
        return State(value)
    except ValueError:
        raise typer.BadParameter(f"{value!r} is not one of {', '.join(State)}.") from None


jobs = typer.Typer(
    help="Look at jobs, and deal with those that are held. Needs DATABASE_URL, or `app dev`.",
    no_args_is_help=True,
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
InModule = Annotated[str | None, typer.Option("--module", metavar="MODULE")]
InState = Annotated[State | None, typer.Option("--state", metavar="|".join(State), parser=_state)]
Limit = Annotated[int, typer.Option(min=1, help="Show at most so many, oldest first.")]
Unknown = Annotated[
    bool, typer.Option("--unknown", help="All whose code is gone, of the module if one is named.")
]
Id = Annotated[int, typer.Argument(metavar="ID")]
Ids = Annotated[list[int] | None, typer.Argument(metavar="ID…")]


@jobs.command("list", epilog="Example: app jobs list --state held --module billing")
def list_jobs(
    module: InModule = None, state: InState = None, limit: Limit = 100, json: AsJson = False
) -> None:
    """List jobs that wait, run or are held.

    Or that wait for code which this version does not have: unknown.
    """
    found = _find(module=module, state=state, limit=limit)
    if json:
        _print_json([asdict(job) for job in found])
    else:
        typer.echo("\n".join(_line(job) for job in found) or "There are no such jobs.")


@jobs.command("count", epilog="Example: app jobs count --json")
def count(json: AsJson = False) -> None:
    """Count the jobs of each module, by state."""
    from app.platform.jobs import count_jobs

    counts = _ask(count_jobs)
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
    """Show a job: arguments, history, and why it failed."""
    from app.platform.jobs import find_job, history_of

    job = _ask(lambda queue, known: find_job(queue, known, id))
    steps = _ask(lambda queue, _known: history_of(queue, id))
    if json:
        _print_json({**asdict(job), "history": [asdict(step) for step in steps]})
        return
    typer.echo(f"{_line(job)}\n\narguments  {job.arguments}\n")
    for step in steps:
        typer.echo(f"{step.at:%Y-%m-%d %H:%M:%S}  {step.what}")
        if step.error:
            typer.echo("    " + step.error.strip().replace("\n", "\n    "))


@jobs.command("retry", epilog="Example: app jobs retry 42")
def retry(ids: Ids = None, module: InModule = None, json: AsJson = False) -> None:
    """Run held jobs again.

    Those named, all or none; or all of a module. Of several jobs of a module with one key, the
    newest; the others are named, and stay held. Exit 1 where there were some, and none could be
    run.
    """
    from app.platform.jobs import retry_held, retry_jobs

    chosen: list[int] = _chosen(ids, module)
    left: list[Left] = []
    if module is None:
        _ask(lambda queue, _: retry_jobs(queue, chosen))
    else:
        chosen, left = _ask(lambda queue, _: retry_held(queue, chosen))
    if json:
        _print_json({"enqueued": chosen, "left": [asdict(each) for each in left]})
    elif chosen or not left:
        typer.echo(f"Enqueued again: {_listed(chosen)}." if chosen else "None is held.")
    for each in [] if json else left:
        typer.echo(f"Left held: {each}.")
    if left and not chosen:
        raise typer.Exit(1)


@jobs.command("drop", epilog="Example: app jobs drop 42")
def drop(
    ids: Ids = None, module: InModule = None, unknown: Unknown = False, json: AsJson = False
) -> None:
    """Delete jobs.

    Those named, which may also wait or have lost their worker, or all that are held of a module.
    All or none.

    With --unknown, all that wait for code which this version does not have; a newer version that
    is just being deployed may have it.
    """
    from app.platform.jobs import drop_jobs

    chosen = _chosen(ids, module, unknown=unknown)
    with present_settings() as settings:
        silence = settings.worker_lost_after
    states = tuple(State) if ids else (State.WAITING,) if unknown else (State.HELD,)
    _ask(lambda queue, _: drop_jobs(queue, chosen, silence, states))
    none = "None is unknown." if unknown else "None is held."
    if json:
        _print_json({"dropped": chosen})
    else:
        typer.echo(f"Dropped: {_listed(chosen)}." if chosen else none)


def _chosen(ids: list[int] | None, module: str | None, *, unknown: bool = False) -> list[int]:
    if bool(ids) == bool(module or unknown):
        raise typer.BadParameter(
            "say which jobs: their ids, or --module for all that are held of one."
        )
    if ids:
        return sorted(set(ids))
    return [job.id for job in _find(module=module, state="unknown" if unknown else "held")]


def _listed(ids: list[int]) -> str:
    return ", ".join(map(str, ids))


def _find(*, module: str | None, **which: Any) -> "list[JobRecord]":
    from app.platform.jobs import find_jobs, JobsError

    found = _ask(lambda queue, known: find_jobs(queue, known, module=module, **which))
    if module and not found and not _is_known(module):
        raise JobsError(f"There is no module {module}. `app modules` lists them.")
    return found


def _is_known(module: str) -> bool:
    """Say whether there is such a module, or was one that has left jobs behind."""
    from app.platform.jobs import count_jobs
    from app.platform.wiring import read_modules

    wired = {each.name for each in read_modules(modules)}
    return module in wired or module in _ask(count_jobs)


def _ask(question: "Callable[[Queries, Known], Awaitable[Result]]") -> Result:
    """Ask the queue, knowing the jobs that the code has."""
    from app.platform.database import create_engine, find_open_side, sides_of
    from app.platform.jobs import connect_queue
    from app.platform.wiring import discover, wire

    async def ask(settings: "Settings") -> Result:
        known = wire(discover(modules), create_engine(settings)).known
        if (sides := sides_of(settings)) is not None:
            await find_open_side(sides)
        async with connect_queue(settings) as queue:
            return await question(queue, known)

    with present_settings() as settings:
        return asyncio.run(ask(settings))


def _line(job: "JobRecord") -> str:
    often = "once" if job.failed == 1 else f"{job.failed} times"
    failed = f"  failed {often}" if job.failed else ""
    error = f"  {job.error.splitlines()[0]}" if job.error else ""
    return f"{job.id:>8}  {job.name:30} {job.state:8} {job.due:%Y-%m-%d %H:%M:%S}{failed}{error}"


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, default=str))
