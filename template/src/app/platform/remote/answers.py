"""What a process answers a call with, written and read: results, errors, refusals.

All but results are problems of RFC 9457, with members of our own.
"""

import json
from collections.abc import Mapping
from http.client import responses as phrases
from typing import Any, NamedTuple

from app.platform.errors import (
    DomainError,
    problem_type,
    RemoteError,
    RemoteMismatch,
    RemoteTimeout,
    RemoteUnavailable,
    status_of,
)
from app.platform.remote.codec import Codec, UnreadableError
from app.platform.remote.failures import Failures

PATH = "/_modules/"
JSON, PROBLEM = "application/json", "application/problem+json"
_KINDS: Mapping[str, type[RemoteError]] = {
    "unavailable": RemoteUnavailable,
    "timeout": RemoteTimeout,
    "mismatch": RemoteMismatch,
}
"""What a process says of itself, or of another one that it has called."""
_AWAY = (502, 503, 504)

WRITTEN = "x-has-written"
"""A header of answers to calls that have committed something."""


class Answer(NamedTuple):
    """What a call is answered."""

    status: int
    kind: str
    """The media type."""
    body: bytes
    has_written: bool = False


def path_of(module: str, method: str) -> str:
    """Return where a method is called."""
    return f"{PATH}{module}/{method}"


def write_problem(status: int, detail: str, kind: str = "about:blank", **more: object) -> Answer:
    """Return what tells that something is wrong."""
    title = phrases.get(status, "Error")
    said = {"type": kind, "title": title, "status": status, "detail": detail, **more}
    return Answer(status, PROBLEM, json.dumps(said).encode())


def write_error(error: DomainError, failures: Failures) -> Answer:
    """Return what tells of an error that the interface declares."""
    told = failures.write(error)
    return write_problem(status_of(type(error)), kind=problem_type(type(error)), **told)  # type: ignore[arg-type]


def write_failure(error: RemoteError) -> Answer:
    """Return what tells that the call could not be answered, and which module is to blame."""
    statuses = {"timeout": 504, "mismatch": 400}
    return write_problem(
        statuses.get(error.reason, 503),
        str(error),
        module=error.module,
        reason=error.reason,
        is_undone=error.is_undone,
        wait=error.wait,
    )


def read_answer(answer: Answer, codec: Codec, failures: Failures, module: str, name: str) -> Any:
    """Return the result of a call. Raises the DomainError or the RemoteError that it ended with."""
    status, kind, body, _ = answer
    if status == 200 and kind == JSON:
        try:
            return codec.read_result(body)
        except UnreadableError as error:
            if _is_json(body):
                raise RemoteMismatch(
                    f"{name} answers what this release cannot read: {error}", module
                ) from None
    told = _told(body) if kind == PROBLEM else {}
    if (refused := failures.read(told)) is not None:
        raise refused
    raise _failure(status, told, module, name)


def _failure(status: int, told: Mapping[str, Any], module: str, name: str) -> Exception:
    detail, culprit, reason = told.get("detail"), told.get("module"), told.get("reason")
    if isinstance(culprit, str) and isinstance(reason, str):
        kind, wait = _KINDS.get(reason, RemoteError), told.get("wait")
        return kind(
            str(detail),
            culprit,
            reason=reason,
            is_undone=told.get("is_undone") is True,
            wait=wait if isinstance(wait, int) else 1,
        )
    if status == 401:
        why = "REMOTE_KEYS differ there, or are not set, or a clock is wrong: its log tells"
        return RemoteUnavailable(f"{name} is refused: {why}", module, reason="keys", is_undone=True)
    if status == 413:
        return RemoteError(f"{name}: {detail}", module, reason="size", is_undone=True)
    if status == 422 and detail:  # As a value that Postgres cannot store: the caller's own mistake.
        return DomainError(str(detail))
    if status not in _AWAY and (told or status == 500):
        return RemoteError(f"{name} failed there: {detail or 'its log tells why'}", module)
    why = detail or "look at its address in REMOTE_MODULES"
    return RemoteUnavailable(f"{name} answers {status}, which makes no sense: {why}", module)


def _told(body: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True
