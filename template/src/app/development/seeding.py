"""`app db seed`: what a developer finds in the database at once, from the `seed.py` of each module."""

import inspect
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from app.cli_errors import describe
from app.development.wired import Application
from app.platform.database import Database, Tx
from app.platform.jobs import parameters_of
from app.platform.wiring import ModuleFolder


class SeedError(Exception):
    """The seed of a module failed. The message says where, and what became of it."""


async def seed(application: Application) -> list[str]:
    """Run the seeds, dependencies first, each in a transaction of its module; return whose there are.

    Raises SeedError. What one wrote that failed is undone; those before it stay.
    """
    seeded: list[str] = []
    for folder in application.folders:
        if not (folder.path / "seed.py").is_file():
            continue
        try:
            function = _read(folder)
            given = _given(application, folder, function)
            async with Database(application.engine, folder.name).transaction() as tx:
                await function(tx, **given)
        except Exception as error:
            raise SeedError(_sentence(folder, error, seeded)) from error
        seeded.append(folder.name)
    return seeded


def _read(folder: ModuleFolder) -> Callable[..., Any]:
    function = getattr(import_module(f"{folder.package}.seed"), "seed", None)
    if not inspect.iscoroutinefunction(function) or [*parameters_of(function).values()][:1] != [Tx]:
        raise SeedError("it must define `async def seed(tx: Tx, …) -> None`.")
    return function


def _given(
    application: Application, folder: ModuleFolder, function: Callable[..., Any]
) -> dict[str, object]:
    """Return what a seed asks for beside `tx`: its own interface, or one that it depends on."""
    known: dict[type, str] = {each.interface: each.name for each in application.folders}
    given: dict[str, object] = {}
    for name, kind in [*parameters_of(function).items()][1:]:
        if known.get(kind) not in {folder.name, *folder.depends_on}:
            raise SeedError(
                f"nothing provides `{name}: {getattr(kind, '__name__', kind)}`. Ask for the module's "
                "own interface, or one that its `depends_on` names."
            )
        given[name] = application.wired[kind]
    return given


def _sentence(folder: ModuleFolder, error: Exception, before: Sequence[str]) -> str:
    file = str(folder.path / "seed.py")
    lines = [
        each.lineno for each in traceback.extract_tb(error.__traceback__) if each.filename == file
    ]
    where = f", line {lines[-1]}" if lines else ""
    kept = f" {', '.join(before)} had been seeded before." if before else ""
    return (
        f"{folder.name}/seed.py{where}: {describe(error)} Nothing of {folder.name} was kept.{kept}"
    )
