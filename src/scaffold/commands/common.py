"""The command line that all commands stand on, and the options that they share."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
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
    """Generate a modular monolith, and add modules to it.

    \b
    Examples:
      scaffold new shop
      cd shop && scaffold add-module billing --depends-on ordering
      scaffold update --dry-run
      scaffold modules
    """


def key_value(entry: str) -> tuple[str, str]:
    """Read an answer that is given as K=V."""
    key, equals, value = entry.partition("=")
    if not equals:
        raise typer.BadParameter(f"--data {entry!a} is not K=V")
    return key, value
