"""Answers calls from other processes: `POST /_modules/<module>/<method>`.

Who calls has signed the call, and no token: it stands before the door for people, behind the limits.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.platform.database import is_moving, read_after
from app.platform.errors import (
    DomainError,
    RemoteError,
    RemoteMismatch,
    RemoteTimeout,
    RemoteUnavailable,
)
from app.platform.remote.answers import (
    Answer,
    JSON,
    path_of,
    write_error,
    write_failure,
    write_problem,
    WRITTEN,
)
from app.platform.remote.codec import Codec, CodecError, UnreadableError
from app.platform.remote.context import answering
from app.platform.remote.failures import Failures
from app.platform.remote.signing import (
    COMMITTED,
    Headers,
    PRINCIPAL,
    RepeatedError,
    SignatureError,
    TIMEOUT,
    Verifier,
)
from app.platform.settings import parse_keys, Settings
from app.platform.telemetry import add, has_written, speaking
from app.platform.timeouts import until
from app.platform.wiring import ModuleFolder, Promise, promises_of, Wired

logger = logging.getLogger("app.remote")

_SECONDS = re.compile(r"\d{1,9}\.\d{3}")
_QUIET = 60.0
"""Seconds for which a refused signature is told of once."""
Believe = Callable[[Scope], None]
"""Takes what a request says of itself, once it is known who sends it."""


def serve_modules(
    settings: Settings, wired: Wired, folders: Sequence[ModuleFolder]
) -> Callable[[Believe], ASGIApp]:
    """Return what makes the application that answers calls of the modules that are served here."""
    methods = {}
    for folder in wired.folders:
        for promise in promises_of(folder.interface):
            if not promise.joins:  # No transaction reaches us.
                method = _Method(folder, promise, getattr(wired[folder.interface], promise.name))
                for name in filter(None, (folder.name, folder.former)):
                    methods[path_of(name, promise.name)] = method
    verifier, failures = Verifier(parse_keys(settings.remote_keys)), Failures(folders)
    return lambda believe: _Calls(methods, verifier, failures, believe)


class _Method:
    """A method that other processes may call."""

    def __init__(
        self, folder: ModuleFolder, promise: Promise, function: Callable[..., Any]
    ) -> None:
        self.module, self._promise, self.function = folder.name, promise, function
        self.path = path_of(folder.name, promise.name)

    @cached_property
    def codec(self) -> Codec:
        """Made at the first call: most methods are never called from elsewhere. Raises CodecError,
        as it does where the caller is wired."""
        return Codec(self.module, self._promise)


class _Calls:
    """An ASGI application."""

    def __init__(
        self,
        methods: dict[str, _Method],
        verifier: Verifier,
        failures: Failures,
        believe: Believe,
    ) -> None:
        self._methods, self._verifier, self._failures = methods, verifier, failures
        self._believe = believe
        self._refused: dict[str, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, kind, body, _ = await self._answer(scope, receive)
        headers = [
            (b"content-type", kind.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        if has_written():  # Its caller is to see it, and must not say that nothing was done.
            headers.append((WRITTEN.encode(), b"true"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        path: str = scope["path"]
        method = self._methods.get(path)
        if method is not None:
            scope["template"] = method.path
            speaking.set(method.module)
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        try:
            if scope["method"] != "POST" or scope["query_string"]:
                raise SignatureError("only a POST without a query can be signed")
            self._verifier.verify(path, headers)
            body = await Request(scope, receive).body()  # `Limits` says how large it may be.
            self._verifier.check_body(headers, body)
        except RepeatedError as error:
            self._tell(str(error), (scope.get("client") or ("nobody",))[0])
            name, module = _names(path)
            said = f"{name} came twice: a proxy on the way repeats calls, and the first may be done"
            return _failed(scope, RemoteError(said, module, reason="repeated"))
        except SignatureError as error:
            self._tell(str(error), (scope.get("client") or ("nobody",))[0])
            scope["refused"] = "authentication"
            return write_problem(401, "This needs a signature.")
        self._believe(scope)
        if method is not None and (span := scope.get("span")) is not None:
            span.attributes["module"] = method.module  # It began before anybody knew.
        if principal := unquote(headers[PRINCIPAL]):
            add(**{"user.id": principal})
        if method is None:
            name, module = _names(path)
            said = "is not served here: look at MODULES and REMOTE_MODULES, and which release runs where"
            return _failed(scope, _mismatch(f"{name} {said}", module))
        try:
            return await self._run(method, headers, body)
        except DomainError as error:
            return write_error(error, self._failures)
        except RemoteError as error:
            return _failed(scope, error)

    async def _run(self, method: _Method, headers: Headers, body: bytes) -> Answer:
        name, module = _names(method.path)
        try:
            arguments, named = method.codec.read_arguments(body)
        except UnreadableError as error:
            said = f"{name} of the release that serves it does not take what was sent: {error}"
            raise _mismatch(said, module) from None
        except CodecError as error:
            raise _mismatch(f"{error}", module) from None
        seconds, committed = headers[TIMEOUT], headers[COMMITTED]
        if not _SECONDS.fullmatch(seconds) or not _SECONDS.fullmatch(committed or "0.000"):
            raise _mismatch(f"{name}: seconds are written as 1.500", module)
        answering.set(True)
        if committed:
            read_after(float(committed))
        end = min(asyncio.get_running_loop().time() + float(seconds), until.get())
        until.set(end)
        try:
            async with asyncio.timeout_at(end) as limit:
                result = await method.function(*arguments, **named)
                return Answer(200, JSON, method.codec.write_result(result))
        except TimeoutError:
            if not limit.expired():
                raise
            raise RemoteTimeout(f"{name} was given up, as its caller has", module) from None
        except Exception as error:
            if not is_moving(error):
                raise
            said = f"{name} cannot be answered just now: its data are being moved"
            raise RemoteUnavailable(said, module, is_undone=not has_written()) from error

    def _tell(self, why: str, sender: str) -> None:
        """Log why a call was refused, now and then: whoever is out there may send any number."""
        now = time.monotonic()
        if now - self._refused.get(why, float("-inf")) > _QUIET:
            self._refused[why] = now
            logger.warning("A call from %s was refused by its signature: %s.", sender, why)


def _names(path: str) -> tuple[str, str]:
    """Return what a path calls, as people write it, and its module."""
    name = path.rpartition("_modules/")[2].replace("/", ".")
    return name, name.partition(".")[0]


def _mismatch(said: str, module: str) -> RemoteMismatch:
    return RemoteMismatch(said, module, is_undone=True)


def _failed(scope: Scope, error: RemoteError) -> Answer:
    """Return what tells the caller of an error, and let the log of this process tell of it as well."""
    scope["error"], scope["cause"] = error, str(error)
    return write_failure(error)
