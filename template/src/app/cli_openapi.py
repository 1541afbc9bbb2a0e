"""`app openapi`: what others may ask of this application."""

import json
from typing import Annotated

import typer


def show_openapi(
    module: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only what this module offers.")
    ] = None,
) -> None:
    """Print the description of the HTTP API. It needs no database."""
    from app.platform.web import describe_api

    api = describe()
    if module:
        api = describe_api(api, module)
        if not api["paths"]:
            raise typer.BadParameter(f"No module {module} has routes; see app modules.")
    typer.echo(json.dumps(api, indent=2, ensure_ascii=False))


def describe() -> dict[str, object]:
    """Build the application as it is described: with its defaults, whatever is set here, and with a
    database and an issuer that nobody asks."""
    from app.main import create_app
    from app.platform.settings import Settings

    nowhere = Settings.model_construct(
        database_url="postgresql://nobody@127.0.0.1:1/nothing",
        oidc_issuer="https://issuer.invalid",
        oidc_audience="nobody",
    )
    return create_app(nowhere).openapi()
