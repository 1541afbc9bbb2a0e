"""The command line that all commands stand on, and the options that they share."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

_ORDER = (
    "new",
    "add-module",
    "add-entity",
    "rename-module",
    "remove-module",
    "modules",
    "update",
    "doctor",
    "adopt",
    "template",
    "fleet",
    "carve",
    "uncarve",
    "decide",
)


class _InOrder(TyperGroup):
    """Lists commands as they are needed in a repository's life."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=_ORDER.index)


app = typer.Typer(
    cls=_InOrder,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Inside = Annotated[Path, typer.Option("-C", metavar="DIR", help="A folder inside the repository.")]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="TEMPLATE",
        envvar="SCAFFOLD_TEMPLATE",
        help="Path or URL to read the template from.",
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the files and the diff; write nothing.")
]
AreHome = Annotated[
    bool,
    typer.Option(
        "--data-are-home",
        help="You have looked: in each environment they are in the main one.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        from scaffold.installation import DISTRIBUTION

        print(f"scaffold {version(DISTRIBUTION)}")
        raise typer.Exit


@app.callback()
def scaffold(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version."),
    ] = False,
) -> None:
    """Generate a modular monolith, change its modules, and bring it along with its template.

    \b
    Examples:
      scaffold new shop
      cd shop && scaffold add-module billing --depends-on ordering
      scaffold rename-module billing invoicing --dry-run
      scaffold update --dry-run
      scaffold doctor
    """


def key_value(entry: str) -> tuple[str, str]:
    """Read an answer that is given as K=V."""
    key, equals, value = entry.partition("=")
    if not equals:
        raise typer.BadParameter(f"--data {entry!a} is not K=V")
    return key, value
