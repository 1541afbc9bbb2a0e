"""The web application around the modules: health, request ids, errors as problem+json."""

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from socket import gaierror
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.telemetry import TelemetryConfig
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.platform.access import Access, create_tokens
from app.platform.database import Database
from app.platform.discretion import cause
from app.platform.engine import OutcomeUnknownError, UnreachableError
from app.platform.errors import Conflict, DomainError, NotFound
from app.platform.idempotency import Idempotency, SCHEMA
from app.platform.limits import Limits
from app.platform.objectives import Objectives
from app.platform.problems import DESCRIBED, later, problem
from app.platform.rates import Rates
from app.platform.reading import ReadYourWrites
from app.platform.requests import Requests
from app.platform.routing import ByModule
from app.platform.serving import leaving
from app.platform.settings import Settings

logger = logging.getLogger("app.http")

_FOR_DATA = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
"""This is an API, of which a browser shows nothing."""
_SECURITY = (
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
    (b"x-content-type-options", b"nosniff"),
)
_OURS = frozenset((b"x-request-id", *(name for name, _ in (_FOR_DATA, *_SECURITY))))
_EXPOSED = ("Idempotent-Replayed", "Location", "Retry-After", "WWW-Authenticate", "X-Request-ID")
_PAGES = ("/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json")
"""The documentation, which a browser does show, with scripts of its own; in development only."""
_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
"""FastAPI's own, which would tell queries: see `requests` and `traces`."""
_PASSING = ("08", "40", "53", "57")
"""Classes of SQLSTATE that may be gone at the next try: connection, conflict, resources, operator
or time limit."""
_UNSTORABLE = ("22021", "22P05")
"""SQLSTATEs of a text with a character that Postgres has no place for, as NUL."""


def create_api(
    routers: Mapping[str, APIRouter],
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
    settings: Settings,
    engine: AsyncEngine,
    objectives: Mapping[str, Objectives] | None = None,
) -> FastAPI:
    """Create the application; a module's routes stand under its name. Its requests are counted for
    `objectives`, by module."""
    pages = _PAGES if settings.is_development else ()
    api = _API(
        title="app",
        lifespan=lifespan,
        docs_url="/docs" if pages else None,
        redoc_url="/redoc" if pages else None,
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
    )
    # What is added last is outermost.
    keys = Database(engine, SCHEMA)
    api.add_middleware(Idempotency, database=keys, request_timeout=settings.request_timeout)
    if settings.database_replica_url:
        api.add_middleware(ReadYourWrites)
    api.add_middleware(
        Access,
        tokens=create_tokens(settings),
        rates=Rates(settings.rate_limit),
        at_once=settings.request_concurrency_per_caller,
        pages=pages,
    )
    api.add_middleware(Limits, settings=settings)
    api.add_middleware(_Unexpected)
    if origins := settings.cors_origins.split():
        api.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["*"],
            allow_headers=["Authorization", "Idempotency-Key", "X-Request-ID"],
            expose_headers=_EXPOSED,
        )
    api.add_middleware(_Headers)
    api.add_middleware(Requests, modules=routers, objectives=objectives or {})
    api.add_exception_handler(DomainError, _domain_error)
    api.add_exception_handler(HTTPException, _http_error)
    api.add_exception_handler(RequestValidationError, _validation_error)
    api.add_exception_handler(PoolTimeout, _busy)
    for unreachable in (ConnectionError, gaierror, TimeoutError):
        api.add_exception_handler(unreachable, _disconnected)
    api.add_exception_handler(UnreachableError, _disconnected)
    api.add_exception_handler(DBAPIError, _database_error)
    api.add_exception_handler(OutcomeUnknownError, _outcome_unknown)
    by_module = ByModule(api.router)
    for name, router in sorted(routers.items()):
        first = name.replace("_", "-")
        api.include_router(router, prefix=f"/{first}", tags=[name], responses=DESCRIBED)
        by_module.add(first, api.router.routes[-1])
    api.router.middleware_stack = by_module
    return api


class _API(FastAPI):
    """Describes of every operation that it needs a token, but of those that say otherwise."""

    def openapi(self) -> dict[str, Any]:
        described = super().openapi()
        schemes = described.setdefault("components", {}).setdefault("securitySchemes", {})
        schemes["bearer"] = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        described["security"] = [{"bearer": []}]
        return described


class _Headers:
    """Sets the headers of every response, and `scope["status"]` once it begins."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                scope["status"] = message["status"]
                message["headers"] = _with_headers(scope, message.get("headers", ()))
            await send(message)

        await self._app(scope, receive, send_with_headers)


class _Unexpected:
    """Answers an error that nobody has foreseen, while the headers for a browser are still to come.

    The error goes on to the server, which logs it with its traceback.
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
        except Exception:
            if "status" not in scope:
                current = scope["request_id"]
                said = f"Something went wrong. Quote request {current} when you report it."
                await problem(500, said)(scope, receive, send)
            raise


def _with_headers(scope: Scope, given: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    # Sent as they are: Starlette's MutableHeaders would look each of them up among the others.
    headers = [each for each in given if each[0] not in _OURS]
    headers.extend(_SECURITY)
    headers.append((b"x-request-id", scope["request_id"].encode()))
    if scope["path"] not in _PAGES:
        headers.append(_FOR_DATA)
    if leaving.is_set():  # The next request on it would come too late.
        headers = [each for each in headers if each[0] != b"connection"]
        headers.append((b"connection", b"close"))
    return headers


def _domain_error(_request: Request, error: Exception) -> JSONResponse:
    status = 404 if isinstance(error, NotFound) else 409 if isinstance(error, Conflict) else 422
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*", type(error).__name__)
    return problem(status, str(error), "urn:problem-type:" + "-".join(words).lower())


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code in (204, 304):
        return Response(status_code=error.status_code, headers=error.headers)
    response = problem(error.status_code, str(error.detail))
    response.headers.update(error.headers or {})
    if error.status_code == 405:
        response.headers["Allow"] = ", ".join(_allowed(request))
    return response


def _allowed(request: Request) -> list[str]:
    """Return every method of a path. The router names those of the first route that fits only."""
    paths = request.app.openapi()["paths"]
    return sorted(
        method.upper()
        for path, operations in paths.items()
        if compile_path(path)[0].match(request.url.path)
        for method in operations
    )


def _validation_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [
        {"location": ".".join(map(str, each["loc"])), "detail": each["msg"]}
        for each in error.errors()
    ]
    return problem(422, "The request does not have the expected form.", errors=errors)


def _busy(request: Request, error: Exception) -> JSONResponse:
    return _later(request, "All database connections are in use.", error)


def _disconnected(request: Request, error: Exception) -> JSONResponse:
    return _later(request, "The database is not reachable.", error)


def _database_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DBAPIError)
    state = getattr(error.orig, "sqlstate", None) or ""
    if state.startswith(_PASSING):
        return _later(request, "The database could not do this just now.", error)
    if state in _UNSTORABLE:
        return problem(422, "A text holds a character that cannot be stored.")
    if not state and error.connection_invalidated:
        return _disconnected(request, error)
    raise error


def _outcome_unknown(request: Request, error: Exception) -> JSONResponse:
    request.scope["error"] = error
    # No Retry-After, and no status that a client or a proxy tries again by itself.
    logger.error("The outcome of a COMMIT is unknown.", exc_info=error)
    return problem(500, "It is not known whether this was done. Look before you try again.")


def _later(request: Request, detail: str, error: Exception) -> JSONResponse:
    request.scope["error"] = error
    request.scope["cause"] = cause(error)  # Told in the request's own line, not in one more.
    return later(f"{detail} Try again in a moment.")
