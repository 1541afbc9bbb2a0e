"""What is told of each request: one line in the log, and the metrics."""

import logging
import os
import re
import time
from collections.abc import Mapping, Sequence
from random import getrandbits

from fastapi.routing import iter_route_contexts, RouteContext
from opentelemetry.trace import SpanKind
from prometheus_client import Counter, Histogram
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.platform.telemetry import (
    begin_parts,
    begin_request,
    begin_trace,
    culprit_of,
    current,
    deferred,
    Exemplar,
    exemplar_of,
    Line,
    metrics,
    Objectives,
    parts,
    place,
    PLATFORM,
    Promises,
    Span,
    speaking,
    waits,
    without_secrets,
)
from app.platform.web.limits import PROBES

logger = logging.getLogger("app.requests")

_GIVEN_UP = 499
"""The status of a request whose sender was gone before it was answered, as nginx has it."""
_ACCEPTABLE_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY")
)
_NONE = (None, None)

Kind = tuple[str, str, str, int]
"""Module, route, method and status: the labels of a request."""


class Requests:
    """Middleware that gives each request its id and says which module it is for; once it is over, it
    tells of it.

    What a request says of itself, in X-Request-ID and `traceparent`, is believed at once where it
    comes from FORWARDED_ALLOW_IPS, and otherwise once it is known who sends it: see `believe`.
    """

    def __init__(
        self, app: ASGIApp, modules: Mapping[str, str], objectives: Mapping[str, Objectives]
    ) -> None:
        self._app = app
        self._promises = Promises(objectives)
        self._modules = modules
        """By what their paths begin with."""
        self._templates: dict[int, str] = {}
        self._meters: dict[Kind, tuple[Counter, Histogram]] = {}
        """Those of each kind of request: to look them up by their labels takes longer."""
        self._heads: Sequence[RouteContext] | None = None
        """Routes that answer HEAD themselves."""
        trusted = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1")  # As uvicorn reads it.
        # An asterisk names nobody: it says who may name the client, as nobody else can come.
        given = "" if trusted.strip() == "*" else trusted
        self._trusted = ProxyHeadersMiddleware(_nobody, given).trusted_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"]
        if method == "HEAD" and not self._answers_head(scope):
            # In a copy: the server sends no body for as long as its own says HEAD.
            scope, send = {**scope, "method": "GET"}, _head_of(send)
        self._begin(scope)
        begun = time.perf_counter()
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            scope["error"] = error
            raise
        finally:
            self._end(scope, method, time.perf_counter() - begun)

    def _answers_head(self, scope: Scope) -> bool:
        if self._heads is None:
            every = iter_route_contexts(scope["app"].routes)
            self._heads = [route for route in every if "HEAD" in (route.methods or ())]
        return any(route.matches(scope)[0] is Match.FULL for route in self._heads)

    def _begin(self, scope: Scope) -> None:
        """Let what is logged from here on carry the request's id, its module and its trace.

        Nothing takes it back: the server runs each request in a task of its own, and logs there
        what goes wrong in it.
        """
        path = scope["path"]
        speaking.set(self._modules.get(path[1:].partition("/")[0], PLATFORM))
        begin_parts()
        claims = _claims(scope)
        if claims is not None and (scope.get("client") or ("",))[0] not in self._trusted:
            scope["claims"], claims = claims, None
        _take(scope, *(claims or _NONE))

    def _end(self, scope: Scope, method: str, seconds: float) -> None:
        """Take down what is to be told, and tell it in a moment."""
        span: Span | None = scope["span"]
        status: int = scope.get("status", _GIVEN_UP)
        method = method if method in _METHODS else "_OTHER"
        route = self._route(scope)
        asked, error = speaking.get(), scope.get("error")
        is_call = "template" in scope  # Another process counts it, as a part of its request.
        kind = asked, route or metrics.NO_ROUTE, method, status
        deferred.call(self._count, kind, seconds, exemplar_of(span))
        if reason := scope.get("refused"):
            metrics.refused.labels(asked, reason).inc()
        level = logging.INFO
        if status >= 500 or error is not None:
            culprit = culprit_of(error) or asked
            if not is_call:
                self._promises.count_failed(culprit)
            speaking.set(culprit)  # Who wants to know why looks there.
            if (unforeseen := scope.get("unforeseen")) is not None:
                logger.error("Nobody has foreseen this error.", exc_info=unforeseen)
            # What was raised is logged as an error, here or by whoever caught it.
            level = logging.WARNING if status == 503 or error is not None else logging.ERROR
        elif not (
            is_call or reason or status == _GIVEN_UP or (route is None and method == "OPTIONS")
        ):
            # What the caller may not do, or did not wait for, says nothing of how we work.
            deferred.call(self._promises.count_answered, asked, seconds, parts(), waits())
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
            return scope.get("template")  # Of a call from another process, which has no route.
        if not self._templates:
            for each in iter_route_contexts(scope["app"].routes):
                template = each.path_format or each.path or ""
                self._templates.setdefault(id(each.original_route), template)  # Former names last.
        return self._templates.get(id(route))


def believe(scope: Scope) -> None:
    """Take what a request says of itself, if it was not taken at once: who sends it is known now."""
    if (claims := scope.pop("claims", None)) is not None:
        _take(scope, *claims)


async def _nobody(_scope: object, _receive: object, _send: object) -> None:
    """Stand where uvicorn wants an application."""


def _head_of(send: Send) -> Send:
    """Return what sends the head of an answer, and nothing else: some bodies have no end."""

    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
            await send({"type": "http.response.body"})
        elif message.get("more_body"):  # As when the client is gone: nobody reads on.
            raise ClientDisconnect

    return send_head


def _claims(scope: Scope) -> tuple[str | None, str | None] | None:
    """Return the id and the `traceparent` that a request gives itself, or None for neither."""
    id = trace_parent = None
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ACCEPTABLE_ID.fullmatch(value):
            id = value.decode()
        elif name == b"traceparent":
            trace_parent = value.decode("latin-1")
    return None if id is trace_parent is None else (id, trace_parent)


def _take(scope: Scope, id: str | None, trace_parent: str | None) -> None:
    """Let what is told from here on carry an id and belong to a trace, new ones where none are given."""
    if id is not None or "request_id" not in scope:
        scope["request_id"] = id = id or f"{getrandbits(128):032x}"
        begin_request(id)
    if scope["path"] in PROBES:
        place.set(None)
        scope["span"] = None
    elif trace_parent is not None or "span" not in scope:
        about = {"url.scheme": scope.get("scheme", "http")}
        scope["span"] = begin_trace(trace_parent, "HTTP", SpanKind.SERVER, about)


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
