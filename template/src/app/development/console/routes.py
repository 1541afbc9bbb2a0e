"""The console's addresses, in front of the application: below `/_dev`, and `/docs`."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import asyncpg
from fastapi import FastAPI
from pgqueuer import Queries
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app.development.console import answers, views
from app.development.console.address import REPOSITORY
from app.development.console.guard import Guard
from app.development.console.operations import operations_of
from app.development.console.pages import Pages
from app.development.console.recorder import Recorder
from app.development.console.trying import Trying
from app.development.map import draw_map
from app.development.map_svg import STYLE
from app.platform.flags import FlagFiles
from app.platform.jobs import (
    connect_queue,
    find_job,
    find_jobs,
    JobsError,
    Known,
    measure_queue,
    retry_jobs,
)
from app.platform.query_stats import slow_statements, SlowStatement, StatisticsError
from app.platform.settings import application_name, Settings
from app.platform.wiring import ModuleFolder

Result = TypeVar("Result")

PATH = "/_dev"
_OURS = (f"{PATH}/", "/docs/")
_FOLDER = Path(__file__).parent
_SHOWN = 50
"""Jobs in a table."""
_SLOW = 3
"""Statements of each module, which are planned anew each time."""


class Console:
    """An application with its console: what is asked of it is answered here, and neither counted
    nor traced; all else is the application's."""

    def __init__(
        self,
        api: FastAPI,
        settings: Settings,
        folders: Sequence[ModuleFolder],
        jobs: Known,
        flags: FlagFiles,
        recorder: Recorder,
    ) -> None:
        self._api, self._settings, self._jobs = api, settings, jobs
        self._flags, self._recorder = flags, recorder
        self._folders, self._map = folders, draw_map(folders)
        self._pages = Pages(application_name(), [folder.name for folder in folders])
        self._trying = Trying(api, self._pages, has_tokens=not settings.oidc_issuer)
        self._console: ASGIApp = Guard(self._routes())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_ours = scope["type"] == "http" and f"{scope['path']}/".startswith(_OURS)
        await (self._console if is_ours else self._api)(scope, receive, send)

    def _routes(self) -> Starlette:
        return Starlette(
            routes=[
                Route(PATH, self._overview),
                Route(PATH + "/requests", self._requests),
                Route(PATH + "/traces/{id}", self._trace),
                Route(PATH + "/logs", self._logs),
                Route(PATH + "/queue", self._queue),
                Route(PATH + "/queue/{id:int}/retry", self._retry, methods=["POST"]),
                Route(PATH + "/sql", self._sql),
                Route(PATH + "/flags", self._show_flags),
                *self._trying.routes(),
                Route(PATH + "/json/{what}", self._tell),
                Route(PATH + "/style.css", self._style),
                Route(PATH + "/live.js", self._script),
                Route(PATH + "/docs.js", self._script),
                Route(PATH + "/icon.svg", self._icon),
            ]
        )

    async def _overview(self, request: Request) -> Response:
        queues = await self._ask(lambda queue: measure_queue(queue.driver, self._jobs))
        shown = views.overview(self._map, self._recorder, queues or {}, self._pages.tone)
        curl = views.first_curl(operations_of(self._api), _address(request))
        more = {"curl": curl, "has_queue": queues is not None}
        return self._pages.show("overview", {**shown, **more})

    async def _requests(self, request: Request) -> Response:
        module, failed = request.query_params.get("module", ""), "failed" in request.query_params
        curl = views.first_curl(operations_of(self._api), _address(request))
        rows = views.requests(self._recorder, module, failed)
        shown = {"rows": rows, "module": module, "failed": failed, "curl": curl}
        return self._pages.show("requests", shown)

    async def _trace(self, request: Request) -> Response:
        trace = self._recorder.trace(request.path_params["id"])
        if trace is None:
            return self._pages.show("missing", status=404)
        return self._pages.show("trace", views.trace(trace))

    async def _logs(self, request: Request) -> Response:
        asked = {name: request.query_params.get(name, "") for name in ("module", "level")}
        return self._pages.show("logs", {**asked, "lines": views.lines(self._recorder, **asked)})

    async def _queue(self, request: Request) -> Response:
        retried = request.query_params.get("retried", "")
        return await self._show_queue(retried=retried if retried.isdecimal() else "")

    async def _show_queue(
        self, status: int = 200, retried: str = "", refused: str = ""
    ) -> Response:
        shown = {
            "shown": await self._ask(self._look),
            "traces": views.traces_of_jobs(self._recorder),
            "names": sorted(self._jobs),
            "retried": retried,
            "refused": refused,
        }
        return self._pages.show("queue", shown, status)

    async def _look(self, queue: Queries) -> dict[str, object]:
        return {
            "queues": await measure_queue(queue.driver, self._jobs),
            "held": await find_jobs(queue, self._jobs, state="held", limit=_SHOWN),
            "others": [
                job
                for state in ("running", "waiting", "unknown")
                for job in await find_jobs(queue, self._jobs, state=state, limit=_SHOWN)
            ],
        }

    async def _retry(self, request: Request) -> Response:
        id = request.path_params["id"]

        async def retry(queue: Queries) -> str:
            try:
                await find_job(queue, self._jobs, id)
                await retry_jobs(queue, [id])
            except JobsError as error:
                return str(error)
            return ""

        refused = await self._ask(retry)
        if refused:
            return await self._show_queue(409, refused=refused)
        return RedirectResponse(f"{PATH}/queue?retried={id}#said", 303)

    async def _sql(self, request: Request) -> Response:
        module = request.query_params.get("module", "")
        _, slow, reason = await self._slow(module)
        statements = views.statements(self._recorder, module)
        shown = {"module": module, "slow": slow, "reason": reason, "statements": statements}
        return self._pages.show("sql", shown)

    async def _slow(self, module: str) -> tuple[list[str], list[SlowStatement], str]:
        """Return which modules are asked for, their slow statements, and why there are none."""
        names = [folder.name for folder in self._folders if module in ("", folder.name)]
        try:
            url, roles = self._settings.database_url, self._settings.roles
            return names, await slow_statements(url, names, _SLOW, roles), ""
        except StatisticsError as error:
            return names, [], str(error)
        except (OSError, asyncpg.PostgresError):
            return names, [], "The database does not answer."

    async def _show_flags(self, _request: Request) -> Response:
        return self._pages.show("flags", {"flags": views.flags(self._flags)})

    async def _tell(self, request: Request) -> Response:
        """Answer `app mcp`, which runs beside this one in the same repository."""
        asked = request.query_params
        if asked.get("repository") != str(REPOSITORY):
            return PlainTextResponse("`make dev` of another repository answers here.\n", 409)
        match request.path_params["what"]:
            case "last-error":
                return answers.as_json(answers.last_error(self._recorder))
            case "trace":
                found = self._recorder.trace(asked.get("id", ""))
                if found is None:
                    return PlainTextResponse("There is no such trace, or not any more.\n", 404)
                return answers.as_json(answers.of_trace(found))
            case "slow-sql":
                names, slow, reason = await self._slow(asked.get("module", ""))
                since = answers.of_statements(self._recorder, names)
                return answers.as_json({"counted": slow or reason, "in_this_process": since})
            case "map":
                return answers.as_json(self._map)
            case "queue":
                return answers.as_json(
                    await self._ask(self._look) or "The database does not answer."
                )
        return PlainTextResponse("There is no such answer.\n", 404)

    async def _ask(self, question: Callable[[Queries], Awaitable[Result]]) -> Result | None:
        """Ask the queue; None where the database does not answer, which its page says."""
        try:
            async with asyncio.timeout(5), connect_queue(self._settings) as queue:
                return await question(queue)
        except (OSError, asyncpg.PostgresError):
            return None

    async def _style(self, _request: Request) -> Response:
        own = (_FOLDER / "style.css").read_text("utf-8")
        return Response("\n".join((own, ".map {", STYLE, "}")), media_type="text/css")

    async def _script(self, request: Request) -> Response:
        name = request.url.path.rpartition("/")[2]
        return Response((_FOLDER / name).read_text("utf-8"), media_type="text/javascript")

    async def _icon(self, _request: Request) -> Response:
        return Response((_FOLDER / "icon.svg").read_text("utf-8"), media_type="image/svg+xml")


def _address(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"
