"""The commands `app carve`: move the data of a module to a database of its own, and back."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TYPE_CHECKING, TypeVar

import typer

from app import modules
from app.cli_carve_says import (
    minutes,
    print_compared,
    print_cut,
    print_json,
    print_report,
    Progress,
    say,
)
from app.cli_development import present_settings

if TYPE_CHECKING:
    from app.platform.carving import Cut, Ends
    from app.platform.settings import Settings

Result = TypeVar("Result")

carve = typer.Typer(
    help="Move a module's data to its own database, and back.",
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(metavar="MODULE")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Home = Annotated[bool, typer.Option("--home", help="From the own database to the main one.")]
Pause = Annotated[
    float, typer.Option("--pause", min=0.1, max=30, help="Seconds that writes may wait.")
]


@carve.command("look", epilog="Example: app carve look billing")
def look(name: Name, home: Home = False, json: AsJson = False) -> None:
    """Say what is in the way of a copy, and its cure.

    And how much there is to copy. Exit 1 if something is in the way.
    """
    from app.platform.carving import look as look_at

    looked = _with_ends(name, "look", lambda ends, _: look_at(ends, not home, name))
    if json:
        said = {"bytes": looked.bytes, "seconds": looked.seconds, "is_clear": looked.is_clear}
        print_json({**asdict(looked), **said})
    else:
        for each in looked.findings:
            how = "in the way" if each.blocks else "way back" if each.of_way_back else "note"
            typer.echo(f"{how:10}  {each.what}\n{'':10}  -> {each.cure}")
        for table in looked.tables:
            typer.echo(f"{table.name:40} {table.rows:>14,} rows {table.bytes:>16,} bytes")
        typer.echo(
            f"The target needs {looked.bytes:,} bytes on its disk, and as much again while it is copied, of "
            f"which SQL says nothing. The copy may take {minutes(looked.seconds)}."
        )
    if not looked.is_clear:
        raise typer.Exit(1)


@carve.command("copy", epilog="Example: app carve copy billing")
def copy(
    name: Name,
    home: Home = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Do not wait until it is done.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Copy the tables to the other database, which follows.

    Run again, it goes on. Nothing changes for the application, which writes where it did.
    """
    from app.platform.carving import begin_copy, CarvingError, report, watch_copy
    from app.platform.carving import look as look_at

    async def run(ends: "Ends", settings: "Settings") -> dict[str, Any]:
        looked = await look_at(ends, not home, name)
        if blocking := [f"{each.what}: {each.cure}" for each in looked.findings if each.blocks]:
            raise CarvingError(f"In the way: {'; '.join(blocking)}.")
        await begin_copy(ends, not home, name, lambda: _migrate(settings, name, home), say)
        if not no_wait:
            told = Progress()
            async for tables in watch_copy(*ends.toward(own=not home), name):
                told.tell(tables)
        return await report(ends, name)

    found = _with_ends(name, "copy", run)
    print_json(found) if json else print_report(found)


@carve.command("status", epilog="Example: app carve status billing --json")
def status(
    name: Annotated[str | None, typer.Argument(metavar="[MODULE]")] = None,
    proof: Annotated[
        bool, typer.Option("--proof", help="Compare both sides; writes wait for a moment.")
    ] = False,
    pause: Pause = 2.0,
    json: AsJson = False,
) -> None:
    """Say where a module's data are, and what is safe to do.

    And what is wrong: exit 1 if something is.
    """
    from app.platform.carving import (
        ends_of,
        half_a_report,
        moving,
        prove,
        report,
        UnreachableEndError,
    )

    async def run(settings: "Settings") -> list[dict[str, Any]]:
        ends = ends_of(settings, "app carve status")
        try:
            unreachable = None
            for end in (ends.main, ends.own):
                try:
                    await end.begin()
                except UnreachableEndError as error:
                    unreachable = error
            if unreachable:
                return [await half_a_report(ends, name or settings.modules, unreachable)]
            names = [name] if name else await moving(ends)
            return [await report(ends, each) for each in names]
        finally:
            for end in (ends.main, ends.own):
                if hasattr(end, "session"):
                    end.session.terminate()

    if proof:
        if name is None:
            raise typer.BadParameter("--proof compares the tables of a module: name it.")
        print_compared(_with_ends(name, "status", lambda ends, _: prove(ends, name, pause, say)))
    with present_settings() as settings:
        found = asyncio.run(run(settings))
    if json:
        print_json(found[0] if name and found else found)
    else:
        for each in found:
            print_report(each)
        if not found:
            typer.echo("No module's data are moved, or have been.")
    if any(each["wrong"] for each in found):
        raise typer.Exit(1)


@carve.command("cut", epilog="Example: app carve cut billing --pause 2")
def cut(
    name: Name,
    home: Home = False,
    pause: Pause = 2.0,
    proof_first: Annotated[
        bool, typer.Option("--proof-first", help="Compare both sides while writes wait.")
    ] = False,
    without_way_back: Annotated[
        bool, typer.Option("--without-way-back", help="Where nothing can stream back.")
    ] = False,
    unwatched: Annotated[
        bool, typer.Option("--unwatched", help="Where no process of the module runs.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Let the other database take the writes. Requests wait for so long at most, and none fails.

    What is not done by then is undone, with exit code 1. Behind it, both sides are compared: where they
    differ, it goes back by itself.
    """
    _cut(name, not home, pause, proof_first, not without_way_back, json, unwatched=unwatched)


@carve.command("back", epilog="Example: app carve back billing")
def back(name: Name, pause: Pause = 2.0, json: AsJson = False) -> None:
    """Let the main database take the writes again.

    It has all that was written since the cut.
    """
    _cut(name, False, pause, False, True, json)


@carve.command("confirm", epilog="Example: app carve confirm billing --archive /backup/billing")
def confirm(
    name: Name,
    home: Home = False,
    archive: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the old tables there first.")
    ] = None,
    no_archive: Annotated[bool, typer.Option("--no-archive", help="Keep no old tables.")] = False,
    json: AsJson = False,
) -> None:
    """Drop the stream back, and the old tables, for good."""
    from app.platform.carving import confirm as end_move

    if (archive is None) is not no_archive:
        raise typer.BadParameter("say --archive DIR, or --no-archive.")
    rows = _with_ends(name, "confirm", lambda ends, _: end_move(ends, not home, name, archive, say))
    if json:
        print_json({"module": name, "archived_rows": rows})


@carve.command("stop", epilog="Example: app carve stop billing")
def stop(name: Name, home: Home = False, json: AsJson = False) -> None:
    """Undo a copy, before the cut.

    The stream goes, and the tables of the side that takes no writes.
    """
    from app.platform.carving import stop as undo

    _with_ends(name, "stop", lambda ends, _: undo(ends, not home, name, say))
    if json:
        print_json({"module": name})


def _cut(
    name: str,
    to_own: bool,
    pause: float,
    proof_first: bool,
    with_way_back: bool,
    json: bool,
    *,
    unwatched: bool = True,
) -> None:
    from app.platform.carving import Cut, differences, go_back
    from app.platform.carving import cut as move

    async def run(ends: "Ends", settings: "Settings") -> "Cut":
        wanted = Cut(
            module=name,
            pause=pause,
            longest_request=settings.request_timeout + 5,
            with_way_back=with_way_back,
            proof_first=proof_first,
            unwatched=unwatched,
        )
        done = await move(ends, to_own, wanted, say)
        if differences(done.compared) and with_way_back:
            await go_back(ends, to_own, done, say)
        return done

    done = _with_ends(name, "cut" if to_own else "back", run)
    print_cut(done, json=json)
    if wrong := differences(done.compared):
        typer.echo(f"app: both sides were not equal: {wrong}.", err=True)
        raise typer.Exit(1)


def _with_ends(
    name: str, command: str, work: "Callable[[Ends, Settings], Awaitable[Result]]"
) -> Result:
    """Do what needs both databases, as the only one who moves the module's data."""
    from app.platform.carving import connected, ends_of
    from app.platform.wiring import discover

    async def run(settings: "Settings") -> Result:
        _stop_gently()
        ends = ends_of(settings, f"app carve {command} {name}")
        async with connected(ends, name):
            return await work(ends, settings)

    if name not in {each.name for each in discover(modules)}:
        raise typer.BadParameter(f"there is no module {name}: `app modules` lists them.")
    with present_settings() as settings:
        return asyncio.run(run(settings))


def _stop_gently() -> None:
    """Undo what was begun where the process is asked to stop, as at Ctrl-C."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


async def _migrate(settings: "Settings", name: str, home: bool) -> None:
    """Make the module's tables where they are to be copied."""
    from app.platform.migrations import migrate
    from app.platform.wiring import discover, moves_of

    if home:
        await migrate(settings.admin_url, settings.roles, discover(modules), moves_of(modules))
    else:
        await migrate_own(settings, name)


async def migrate_own(
    settings: "Settings", name: str | None = None, *, roles: bool = False
) -> list[str]:
    """Migrate the own database of a module, that which MODULES names; return what was applied. With `roles`,
    stop behind schemas and roles."""
    from app.platform.database import login_of
    from app.platform.migrations import migrate, prepare
    from app.platform.settings import SettingsError
    from app.platform.wiring import discover, moves_of

    url, name = settings.own_migration_database_url, name or settings.modules.strip()
    if url is None:
        raise SettingsError("OWN_MIGRATION_DATABASE_URL: is not set")
    if not name or " " in name:
        raise SettingsError("MODULES: must name the one module whose own database that is")
    service = login_of(settings.own_database_url or settings.database_url)
    services = [] if service == settings.roles else [(name, service)]
    folders, moves = discover(modules), moves_of(modules)
    if roles:
        await prepare(url, settings.roles, folders, moves, services, own=name)
        return []
    return await migrate(url, settings.roles, folders, moves, services, own=name)
