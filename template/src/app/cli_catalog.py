"""`app openapi` and `app catalog`: what others may know of this application."""

import json
from pathlib import Path
from typing import Annotated

import typer

from app import modules
from app.main import create_app
from app.platform.catalog import describe_api, draw_catalog, system_of
from app.platform.discovery import discover
from app.platform.settings import Settings

_ROOT = Path(__file__).parents[2]


def show_openapi(
    module: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only what this module offers.")
    ] = None,
) -> None:
    """Print the description of the HTTP API. It needs no database."""
    api = _describe()
    if module:
        api = describe_api(api, module)
        if not api["paths"]:
            raise typer.BadParameter(f"No module {module} has routes; see app modules.")
    typer.echo(json.dumps(api, indent=2, ensure_ascii=False))


def write_catalog() -> None:
    """Write catalog-info.yaml and openapi.json of each module, from the code."""
    for path, content in draw_catalog(system_of(_ROOT), discover(modules), _describe()).items():
        path.write_text(content, "utf-8", newline="\n")
        typer.echo(f"Wrote {path.relative_to(_ROOT)}.")


def _describe() -> dict[str, object]:
    """Build the application as it is described, on a database that nobody asks."""
    nowhere = Settings(
        environment="development", database_url="postgresql://nobody@127.0.0.1:1/nothing"
    )
    return create_app(nowhere).openapi()
