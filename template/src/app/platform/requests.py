"""What is told of each request: one line in the log, and the metrics."""

import logging
import re
import time
from collections.abc import Iterable, Mapping
from random import getrandbits

from fastapi.routing import iter_route_contexts
from opentelemetry.trace import SpanKind
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Receive, Scope, Send

from app.platform import metrics
from app.platform.context import begin_request, current, place, PLATFORM, speaking
from app.platform.deferred import deferred
from app.platform.discretion import without_secrets
from app.platform.limits import PROBES
from app.platform.log_lines import Line
from app.platform.objectives import begin_parts, culprit_of, Objectives, parts, Promises
from app.platform.traces import begin_trace, Exemplar, exemplar_of, Span

logger = logging.getLogger("app.requests")

_GIVEN_UP = 499
"""The status of a request whose sender was gone before it was answered, as nginx has it."""
_ACCEPTABLE_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY")
)


Kind = tuple[str, str, str, int]
"""Module, route, method and status: the labels of a request."""


class Requests:
    """Middleware that gives each request its id (the caller's X-Request-ID, or a new one) and says
    which module it is for; once it is over, it tells of it."""

    def __init__(
        self, app: ASGIApp, modules: Iterable[str], objectives: Mapping[str, Objectives]
    ) -> None:
        self._app = app
        self._promises = Promises(objectives)
        self._modules = {name.replace("_", "-"): name for name in modules}
        self._templates: dict[int, str] = {}
        self._meters: dict[Kind, tuple[Counter, Histogram]] = {}
        """Those of each kind of request: to look them up by their labels takes longer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        span = self._begin(scope)
        begun = time.perf_counter()
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            scope["error"] = error
            raise
        finally:
            self._end(scope, time.perf_counter() - begun, span)

    def _begin(self, scope: Scope) -> Span | None:
        """Let what is logged from here on carry the request's id, its module and its trace.

        Nothing takes it back: the server runs each request in a task of its own, and logs there
        what goes wrong in it.
        """
        id = trace_parent = None
        for name, value in scope["headers"]:
            if name == b"x-request-id" and _ACCEPTABLE_ID.fullmatch(value):
                id = value.decode()
            elif name == b"traceparent":
                trace_parent = value.decode("latin-1")
        scope["request_id"] = id = id or f"{getrandbits(128):032x}"
        path = scope["path"]
        speaking.set(self._modules.get(path[1:].partition("/")[0], PLATFORM))
        begin_request(id)
        begin_parts()
        if path in PROBES:
            place.set(None)
            return None
        return begin_trace(
            trace_parent, "HTTP", SpanKind.SERVER, {"url.scheme": scope.get("scheme", "http")}
        )

    def _end(self, scope: Scope, seconds: float, span: Span | None) -> None:
        """Take down what is to be told, and tell it in a moment."""
        status: int = scope.get("status", _GIVEN_UP)
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        route = self._route(scope)
        asked, error = speaking.get(), scope.get("error")
        kind = asked, route or metrics.NO_ROUTE, method, status
        deferred.call(self._count, kind, seconds, exemplar_of(span))
        if reason := scope.get("refused"):
            metrics.refused.labels(asked, reason).inc()
        level = logging.INFO
        if status >= 500 or error is not None:
            culprit = culprit_of(error) or asked
            self._promises.count_failed(culprit)
            speaking.set(culprit)  # Who wants to know why looks there.
            # What was raised is logged as an error by whoever caught it.
            level = logging.WARNING if status == 503 or error is not None else logging.ERROR
        elif not reason and status != _GIVEN_UP and (route is not None or method != "OPTIONS"):
            # What the caller may not do, or did not wait for, says nothing of how we work.
            deferred.call(self._promises.count_answered, asked, seconds, parts())
        if span is not None:
            _describe(span, method, route, status, error)
            span.end(error)
        if scope["path"] in PROBES:
            level = logging.DEBUG  # Where they say 503, `health` tells why, once.
        if logger.isEnabledFor(level):
            cause = scope.get("cause")
            deferred.call(
                _log, current(), level, method, route, status, seconds, time.time(), cause
            )

    def _count(self, kind: Kind, seconds: float, exemplar: Exemplar) -> None:
        if (meters := self._meters.get(kind)) is None:
            counter = metrics.requests.labels(*kind)
            meters = self._meters[kind] = counter, metrics.request_seconds.labels(*kind[:3])
        meters[0].inc()
        meters[1].observe(seconds, exemplar)

    def _route(self, scope: Scope) -> str | None:
        """Return the template of a request's path, or None where it was refused before or there is
        none: never the path itself, which says who and what, and is different each time."""
        if (route := scope.get("route")) is None:
            return None
        if not self._templates:
            self._templates = {
                id(each.original_route): each.path_format or each.path or ""
                for each in iter_route_contexts(scope["app"].routes)
            }
        return self._templates.get(id(route))


def _describe(
    span: Span, method: str, route: str | None, status: int, error: BaseException | None
) -> None:
    span.name = f"{method} {route}" if route else method
    span.attributes["http.request.method"] = method
    span.attributes["http.response.status_code"] = status
    if route:
        span.attributes["http.route"] = route
    if status >= 500:
        span.failed = True
        span.attributes["error.type"] = type(error).__qualname__ if error else str(status)


def _log(
    context: dict[str, object],
    level: int,
    method: str,
    route: str | None,
    status: int,
    seconds: float,
    now: float,
    cause: str | None,
) -> None:
    fields: dict[str, object] = {
        "http.request.method": method,
        "http.response.status_code": status,
        "duration_ms": round(seconds * 1000, 1),
    }
    if route is not None:
        fields["http.route"] = route
    if cause:
        fields["exception.message"] = without_secrets(cause)
    event = f"{method} {route or '(no route)'} {status}"
    logger.handle(Line(logger.name, level, event, fields, context, now))
