"""What becomes of an error that a route raises: an answer as problem+json."""

import logging
from collections.abc import Callable, Mapping

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.routing import Match

from app.platform.database import OutcomeUnknownError, UnreachableError
from app.platform.errors import (
    DomainError,
    problem_type,
    RemoteError,
    RemoteTimeout,
    status_of,
)
from app.platform.telemetry import cause, has_written
from app.platform.web.database_problems import answer_to
from app.platform.web.problems import later, problem

logger = logging.getLogger("app.http")


def _domain_error(_request: Request, error: Exception) -> JSONResponse:
    kind = type(error)
    return problem(status_of(kind), str(error), problem_type(kind))


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


def _remote_error(request: Request, error: Exception) -> Response:
    """Answer for a module in another process, and send no one back who could do something twice."""
    assert isinstance(error, RemoteError)
    request.scope["error"], request.scope["cause"] = error, str(error)
    is_safe = request.scope.get("method") in ("GET", "HEAD", "OPTIONS")
    if isinstance(error, RemoteTimeout):
        said = "Another part of the application did not answer in time."
        return problem(504, said if is_safe else f"{said} Look whether it was done.")
    said = "Another part of the application is not available."
    if is_safe or (error.is_undone and not has_written()):
        return later(f"{said} Try again in a moment.", error.wait)
    return problem(503, f"{said} Part of the request may be done: look before you try again.")


def _several(request: Request, error: Exception) -> Response:
    """Answer what tasks raised that ran beside one another, if each of them would be answered."""
    assert isinstance(error, ExceptionGroup)
    waiting: list[Exception] = [error]
    answers: list[Response] = []
    while waiting:
        each = waiting.pop()
        if isinstance(each, ExceptionGroup):
            waiting.extend(each.exceptions)
        elif handler := next((h for kind, h in HANDLERS.items() if isinstance(each, kind)), None):
            answers.append(handler(request, each))
        else:
            raise error
    # The gravest: nobody is to come again by himself because another part may be tried again.
    return max(answers, key=_gravity)


def _gravity(answer: Response) -> tuple[bool, bool, bool]:
    status = answer.status_code
    return status >= 500, status == 500, "retry-after" not in answer.headers


HANDLERS: Mapping[type[Exception], Callable[[Request, Exception], Response]] = {
    DomainError: _domain_error,
    HTTPException: _http_error,
    RequestValidationError: _validation_error,
    OutcomeUnknownError: _outcome_unknown,
    UnreachableError: _database_error,
    PoolTimeout: _database_error,
    DBAPIError: _database_error,
    RemoteError: _remote_error,
    ExceptionGroup: _several,
}
"""What becomes of an error. Whatever else a module raises is its own failure: a 500."""
