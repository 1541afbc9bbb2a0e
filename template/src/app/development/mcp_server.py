"""What agents may ask of the running application, by the Model Context Protocol: `app mcp`."""

import asyncio
from typing import Any

import asyncpg
import httpx
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic_core import to_json

from app import modules
from app.cli_development import present_settings
from app.cli_errors import describe
from app.development.console.address import announced_address, REPOSITORY
from app.development.read_only import QueryError, read
from app.platform.settings import application_name, SettingsError
from app.platform.wiring import read_modules

_PATIENCE = 30
"""Seconds: where a file was saved, the application starts anew first."""
_ABOUT = (
    "What `make dev` knows of this application since its latest reload, and its database. Start it "
    "first. What is asked here changes nothing."
)
_NOT_RUNNING = "`make dev` does not run in this repository: start it, and ask again."


def create_server() -> MCPServer[Any]:
    """Return a server of all that may be asked."""
    server = MCPServer[Any](application_name(), instructions=_ABOUT, log_level="WARNING")
    for tool in (last_error, trace, slow_sql, map, queue, read_only_query):
        server.add_tool(
            tool, annotations=ToolAnnotations(read_only_hint=True), structured_output=False
        )
    return server


def last_error() -> str:
    """The latest error that was logged or request or job that failed, with its traceback and trace;
    null where nothing has failed. Says so where the application does not start."""
    return _ask("last-error")


def trace(id: str) -> str:
    """All of one trace: a request with the calls between modules, SQL and jobs that came of it, and what
    they logged. Its id is in each line of the log, and in what the other tools return."""
    return _ask("trace", id=id)


def slow_sql(module: str = "") -> str:
    """The statements that took longest, with plans and hints: as Postgres counts them, and in this
    process. Of one module, or of all."""
    return _ask("slow-sql", module=module)


def map() -> str:
    """The modules: owner, interface with its methods, what each depends on and listens to."""
    return _ask("map")


def queue() -> str:
    """The jobs: how many of each module wait, run and are held, and those that are held, with the error."""
    return _ask("queue")


def read_only_query(module: str, sql: str) -> str:
    """Run one SELECT under the role of a module, which sees its own schema only: billing.invoices.
    Reads at most 100 rows, for at most 5 seconds."""
    known = [each.name for each in read_modules(modules)]
    if module not in known:
        raise ToolError(f"There is no module {module}. There are: {', '.join(known) or 'none'}.")
    try:
        with present_settings() as settings:
            found = asyncio.run(read(settings.database_url, module, sql))
    except (QueryError, SettingsError) as error:
        raise ToolError(str(error)) from None
    except asyncpg.PostgresError as error:
        raise ToolError(f"Postgres: {error}") from None
    except OSError as error:
        raise ToolError(describe(error)) from None
    return to_json(found, fallback=str).decode()


def _ask(what: str, **about: str) -> str:
    """Ask the console that runs."""
    address = announced_address()
    if address is None:
        raise ToolError(_NOT_RUNNING)
    try:
        answer = httpx.get(
            f"{address}/_dev/json/{what}",
            params={"repository": str(REPOSITORY), **about},
            headers={"Accept": "application/json, text/plain"},
            timeout=_PATIENCE,
            trust_env=False,  # A proxy does not lead to this machine.
        )
    except httpx.TransportError:
        raise ToolError(_NOT_RUNNING) from None
    if not answer.is_success:
        raise ToolError(answer.text.strip())
    return answer.text
