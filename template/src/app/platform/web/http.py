"""The web application around the modules: health, request ids, errors as problem+json."""

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from fastapi.telemetry import TelemetryConfig
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.platform import schemas
from app.platform.database import (
    check_none_is_open,
    Database,
    OutcomeUnknownError,
    ReadYourWrites,
    UnreachableError,
)
from app.platform.errors import Conflict, DomainError, NotFound
from app.platform.settings import Settings
from app.platform.telemetry import cause, has_written, Objectives
from app.platform.web.access import Access, create_tokens
from app.platform.web.database_problems import answer_to
from app.platform.web.idempotency import Idempotency
from app.platform.web.limits import Limits
from app.platform.web.problems import DESCRIBED, problem
from app.platform.web.rate_limit import Rates
from app.platform.web.requests import Requests
from app.platform.web.routing import ByModule
from app.platform.web.serving import leaving

logger = logging.getLogger("app.http")

_FOR_DATA = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
"""This is an API, of which a browser shows nothing."""
_SECURITY = (
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
    (b"x-content-type-options", b"nosniff"),
)
_UNFIT = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
"""What the server would close the connection for, without an answer."""
_OURS = frozenset((b"x-request-id", *(name for name, _ in (_FOR_DATA, *_SECURITY))))
_EXPOSED = ("Idempotent-Replayed", "Location", "Retry-After", "WWW-Authenticate", "X-Request-ID")
_PAGES = ("/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json")
"""The documentation, which a browser does show, with scripts of its own; in development only."""
_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
"""FastAPI's own, which would tell queries: see `requests` and `traces`."""


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
    keys = Database(engine, schemas.REQUESTS)
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
    for kind, handler in _HANDLERS.items():
        api.add_exception_handler(kind, handler)
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
    methods: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        if route.matches(request.scope)[0] is not Match.NONE:
            methods.update(route.methods or ())
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)


def _validation_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [
        {"location": ".".join(map(str, each["loc"])), "detail": each["msg"]}
        for each in error.errors()
    ]
    return problem(422, "The request does not have the expected form.", errors=errors)


def _database_error(request: Request, error: Exception) -> Response:
    is_safe = request.scope.get("method") in ("GET", "HEAD", "OPTIONS")
    answer = answer_to(error, has_written=has_written(), is_safe=is_safe)
    if answer is None:
        raise error
    if answer.status_code >= 500:
        request.scope["error"] = error
        request.scope["cause"] = cause(error)  # Told in the request's own line, not in one more.
    return answer


def _outcome_unknown(request: Request, error: Exception) -> Response:
    logger.error("The outcome of a COMMIT is unknown.", exc_info=error)
    return _database_error(request, error)


def _several(request: Request, error: Exception) -> Response:
    """Answer what tasks raised that ran beside one another, if each of them would be answered."""
    assert isinstance(error, ExceptionGroup)
    waiting: list[Exception] = [error]
    answers: list[Response] = []
    while waiting:
        each = waiting.pop()
        if isinstance(each, ExceptionGroup):
            waiting.extend(each.exceptions)
        elif handler := next((h for kind, h in _HANDLERS.items() if isinstance(each, kind)), None):
            answers.append(handler(request, each))
        else:
            raise error
    # The gravest: nobody is to come again by himself because another part may be tried again.
    return max(answers, key=_gravity)


def _gravity(answer: Response) -> tuple[bool, bool, bool]:
    status = answer.status_code
    return status >= 500, status == 500, "retry-after" not in answer.headers


_HANDLERS: Mapping[type[Exception], Callable[[Request, Exception], Response]] = {
    DomainError: _domain_error,
    HTTPException: _http_error,
    RequestValidationError: _validation_error,
    OutcomeUnknownError: _outcome_unknown,
    UnreachableError: _database_error,
    PoolTimeout: _database_error,
    DBAPIError: _database_error,
    ExceptionGroup: _several,
}
"""What becomes of an error. Whatever else a module raises is its own failure: a 500."""
