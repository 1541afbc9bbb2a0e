"""`app slow`: which statements take the time of the database, and what would make them faster."""

import asyncio
import json
import sys
from dataclasses import asdict
from typing import Annotated, TYPE_CHECKING

import typer

from app import modules
from app.cli_development import present_settings
from app.platform import schemas

if TYPE_CHECKING:
    from app.platform.query_stats import SlowStatement
    from app.platform.settings import Settings

_LONGEST = 400
"""Characters of a statement that are printed; JSON has them all."""


def show_slow(
    module: Annotated[
        str | None, typer.Option(metavar="MODULE", help="Only this one's; also queue, requests.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Show so many of each module.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """List the slowest statements of each module.

    Those that took longest in all, with plan and hint, as Postgres has counted them since its
    statistics began. Needs DATABASE_URL, or `app dev`. Runs none of them, and shows no values.
    """
    from app.platform.database import find_open_side, sides_of
    from app.platform.query_stats import slow_statements, StatisticsError
    from app.platform.wiring import read_modules

    known = [*(folder.name for folder in read_modules(modules)), schemas.QUEUE, schemas.REQUESTS]
    if module is not None and module not in known:
        raise StatisticsError(f"There is no module {module}. `app modules` lists them.")
    chosen = [module] if module else known

    async def ask(settings: "Settings") -> "list[SlowStatement]":
        if (sides := sides_of(settings)) is not None:
            await find_open_side(sides)
        return await slow_statements(settings.database_url, chosen, limit, settings.roles)

    with present_settings() as settings:
        if sys.stderr.isatty():
            typer.echo(f"Asking Postgres about {len(chosen)} modules …", err=True)
        found = asyncio.run(ask(settings))
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], indent=2, ensure_ascii=False))
    elif found:
        typer.echo("\n\n".join(map(_shown, found)))
    else:
        typer.echo("No statements have been counted yet: send some requests, and look again.")


def _shown(slow: "SlowStatement") -> str:
    took = f"{slow.total_ms / 1000:,.1f} s" if slow.total_ms >= 1000 else f"{slow.total_ms:.1f} ms"
    rows = round(slow.rows_per_call, 1 if slow.rows_per_call % 1 else None)
    numbers = (
        f"{took} in {_many(slow.calls, 'call')}: {slow.mean_ms:,.2f} ms, {_many(rows, 'row')} each"
    )
    cut = " …" if len(slow.statement) > _LONGEST else ""
    plan = slow.plan or "Postgres cannot make one of this text."
    lines = [
        f"{typer.style(slow.module, bold=True)}  {numbers}",
        f"  {slow.statement[:_LONGEST]}{cut}",
        *_labelled("plan", plan, typer.colors.BLUE),
    ]
    if slow.hint:
        lines += _labelled(
            "hint", f"{(slow.cure or '').capitalize()}. {slow.hint}", typer.colors.YELLOW
        )
    return "\n".join(lines)


def _many(number: float, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _labelled(label: str, text: str, colour: str) -> list[str]:
    first, *rest = text.splitlines()
    return [f"  {typer.style(label, fg=colour)}  {first}", *(f"        {line}" for line in rest)]
