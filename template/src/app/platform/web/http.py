"""The web application around the modules: health, request ids, errors as problem+json."""

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.telemetry import TelemetryConfig
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.platform import schemas
from app.platform.database import (
    check_none_is_open,
    Database,
    ReadYourWrites,
)
from app.platform.settings import application_description, application_name, Settings
from app.platform.telemetry import Objectives
from app.platform.web.access import Access, create_tokens
from app.platform.web.calls import Calls
from app.platform.web.error_handlers import HANDLERS
from app.platform.web.idempotency import Idempotency
from app.platform.web.limits import Limits
from app.platform.web.openapi import describe_problems, operation_ids
from app.platform.web.problems import DESCRIBED, problem
from app.platform.web.rate_limit import Rates
from app.platform.web.requests import Requests
from app.platform.web.routing import ByModule
from app.platform.web.serving import leaving
from app.platform.wiring import Move

logger = logging.getLogger("app.http")

_SECURITY = (
    # This is an API, of which a browser shows nothing.
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
    (b"x-content-type-options", b"nosniff"),
)
_UNFIT = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
"""What the server would close the connection for, without an answer."""
_OURS = frozenset((b"x-request-id", *(name for name, _ in _SECURITY)))
_EXPOSED = (
    "Deprecation",
    "ETag",
    "Idempotent-Replayed",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-ID",
)
_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
"""FastAPI's own, which would tell queries: see `requests` and `traces`."""


def create_api(
    routers: Mapping[str, APIRouter],
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
    settings: Settings,
    engine: AsyncEngine,
    objectives: Mapping[str, Objectives] | None = None,
    renames: Iterable[Move] = (),
    calls: Callable[[Callable[[Scope], None]], ASGIApp] | None = None,
) -> FastAPI:
    """Create the application; a module's routes stand under its name, and under its old one until one of
    `renames` is finished. Its requests are counted for `objectives`, by module. What `calls` makes
    answers other processes."""
    names = {name.replace("_", "-"): name for name in sorted(routers)}
    former = {move.name.replace("_", "-"): move for move in renames if move.to in routers}
    everything = names | {first: move.to for first, move in former.items()}
    api = _API(
        version=settings.app_version,
        responses=DESCRIBED,
        lifespan=lifespan,
        docs_url=None,  # In development, the console's.
        redoc_url=None,
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
    )
    # What is added last is outermost.
    keys = Database(engine, schemas.REQUESTS)
    api.add_middleware(Idempotency, database=keys, request_timeout=settings.request_timeout)
    if settings.database_replica_url:
        api.add_middleware(ReadYourWrites)
    api.add_middleware(
        Access,
        tokens=create_tokens(settings),
        rates=Rates(settings.rate_limit),
        at_once=settings.request_concurrency_per_caller,
        pages=["/openapi.json"] if settings.is_development else [],
    )
    if calls is not None:
        api.add_middleware(Calls, answer=calls)
    api.add_middleware(Limits, settings=settings)
    api.add_middleware(_Unexpected)
    if origins := settings.cors_origins.split():
        api.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["*"],
            allow_headers=["Authorization", "Idempotency-Key", "If-Match", "X-Request-ID"],
            expose_headers=_EXPOSED,
        )
    api.add_middleware(_Headers)
    api.add_middleware(Requests, modules=everything, objectives=objectives or {})
    for kind, handler in HANDLERS.items():
        api.add_exception_handler(kind, handler)
    by_module = ByModule(api.router)
    ids = operation_ids(routers)
    for first, name in names.items():
        api.include_router(
            routers[name], prefix=f"/{first}", tags=[name], generate_unique_id_function=ids[name]
        )
        by_module.add(first, api.router.routes[-1])
    again = APIRouter(dependency_overrides_provider=api)  # What begins with a router does so once.
    for first, move in former.items():
        again.include_router(routers[move.to], prefix=f"/{first}", include_in_schema=False)
        by_module.add_former(first, again.routes[-1], move)
    api.router.routes += again.routes  # Last, so that addresses that are made have the new name.
    api.router.middleware_stack = by_module
    return api


class _API(FastAPI):
    """Describes of every operation that it needs a token, but of those that say otherwise, and that
    what is wrong is said as problem+json."""

    def openapi(self) -> dict[str, Any]:
        # Here, as nobody else has to know: they are read from a file.
        self.title, self.description = application_name(), application_description()
        described = super().openapi()
        describe_problems(described)
        schemes = described.setdefault("components", {}).setdefault("securitySchemes", {})
        schemes["bearer"] = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        described["security"] = [{"bearer": []}]
        return described


class _Headers:
    """Sets the headers of every response, `scope["status"]` once it begins, and
    `scope["is_answered"]` once it is whole."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                check_none_is_open()
                message["headers"] = _with_headers(scope, message.get("headers", ()))
                scope["status"] = message["status"]
            elif not message.get("more_body"):
                scope["is_answered"] = True
            await send(message)

        await self._app(scope, receive, send_with_headers)


class _Unexpected:
    """Answers an error that nobody has foreseen, while the headers for a browser are still to come.

    The error ends here where the answer is whole: the server would close the connection, on which
    the next request may be under way. `requests` logs it. Half an answer must end with it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        except ClientDisconnect:
            pass  # Nobody is left to answer.
        except (
            Exception,
            asyncio.CancelledError,
            GeneratorExit,
            SystemExit,
            BaseExceptionGroup,
        ) as error:
            if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                raise  # Otherwise it is somebody else's, whom a module waited for.
            if "status" not in scope:
                current = scope["request_id"]
                said = f"Something went wrong. Quote request {current} when you report it."
                await problem(500, said)(scope, receive, send)
            elif "is_answered" not in scope:
                raise
            scope["error"] = scope["unforeseen"] = error


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _with_headers(scope: Scope, given: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    # Sent as they are: Starlette's MutableHeaders would look each of them up among the others.
    headers = [each for each in given if each[0] not in _OURS]
    if _UNFIT.search(b"".join([value for _name, value in headers])):
        raise ValueError("A header holds what no header may, as a line break.")
    headers.extend(_SECURITY)
    headers.append((b"x-request-id", scope["request_id"].encode()))
    if leaving.is_set():  # The next request on it would come too late.
        headers = [each for each in headers if each[0] != b"connection"]
        headers.append((b"connection", b"close"))
    return headers
