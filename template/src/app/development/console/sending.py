"""Requests that the console sends to the application."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_hex
from time import perf_counter

import httpx
from fastapi import FastAPI

from app.development.console.operations import Draft
from app.development.console.person import CannotSendError, Person

_LONGEST = 20_000
"""Characters of an answer that are shown."""
_UNFIT = re.compile(r"[^\t -~]")
"""What no header may hold, nor a path."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    seconds: float
    headers: Sequence[tuple[str, str]]
    body: str
    trace_id: str


async def send(api: FastAPI, draft: Draft, person: Person) -> Answer:
    """Send a request to the application as somebody, and return its answer.

    Raises CannotSendError.
    """
    if not draft.path.startswith("/") or _UNFIT.search(draft.path) or len(draft.path) > 8_000:
        raise CannotSendError("A path begins with /, and other than ASCII stands in it as %C3%A9.")
    for name, value in draft.headers.items():
        if _UNFIT.search(value):
            raise CannotSendError(f"{name}: a header holds one line of ASCII.")
    trace_id = token_hex(16)
    headers = {
        **{name: value for name, value in draft.headers.items() if value},
        "Authorization": f"Bearer {person.token()}",
        "Traceparent": f"00-{trace_id}-{token_hex(8)}-01",
    }
    if draft.body:
        headers["Content-Type"] = "application/json"
    transport = httpx.ASGITransport(api, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        begun = perf_counter()
        response = await client.request(
            draft.operation.method, draft.path, content=draft.body.encode() or None, headers=headers
        )
        seconds = perf_counter() - begun
    told = response.headers.multi_items()
    return Answer(response.status_code, seconds, told, _readable(response), trace_id)


def _readable(response: httpx.Response) -> str:
    try:
        said = json.dumps(response.json(), indent=2, ensure_ascii=False)
    except ValueError:
        said = response.text
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}\n…"
