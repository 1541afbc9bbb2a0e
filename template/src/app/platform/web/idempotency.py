"""Idempotency keys: a request that is sent again is not done again.

A client that hears no answer sends its request once more, with the same `Idempotency-Key`. The key is
written by the first transaction that the request opens, in that transaction: what it did and that it
was done are committed together, or neither. So keep the work of a request in one transaction. The
answer is kept for a day, and given to whoever comes with the same key and the same request. What a
request does once it is answered, in the background say, has nothing to do with its key.
https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

import asyncio
import hashlib
import json
import logging
import re

from sqlalchemy import text
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.platform.database import Database, opening
from app.platform.telemetry import cause, PLATFORM, speaking
from app.platform.web.database_problems import answer_to
from app.platform.web.idempotency_claim import Claim
from app.platform.web.problems import problem

logger = logging.getLogger("app.http")

_SAFE = ("GET", "HEAD", "OPTIONS")
_KEY = re.compile(r"[!-~]{1,255}")
_LARGEST_ANSWER = 1_000_000
"""Bytes; a larger answer is not kept."""
_FIND = text("""
    SELECT fingerprint, status, headers, body, extract(epoch FROM now() - created_at) AS age
    FROM requests.idempotency_keys
    WHERE principal = :principal AND key = :key AND created_at >= now() - interval '1 day'
""")
_WHOSE = ("principal", "key")
_ENDED = 0
"""The status of a request that has ended, and whose answer is not kept."""
_KEEP = text("""
    UPDATE requests.idempotency_keys SET status = :status, headers = :headers, body = :body
    WHERE principal = :principal AND key = :key AND attempt = :attempt
""")
_KEEP_LATE = text("""
    INSERT INTO requests.idempotency_keys
        (principal, key, fingerprint, attempt, module, status, headers, body)
    VALUES (:principal, :key, :fingerprint, :attempt, :module, :status, :headers, :body)
    ON CONFLICT (principal, key) DO NOTHING
""")
"""Where something was committed, and not by the transaction that carried the key."""


class Idempotency:
    """Middleware that gives a request with a key that is known the answer that is known."""

    def __init__(self, app: ASGIApp, database: Database, request_timeout: float) -> None:
        self._app, self._database, self._timeout = app, database, request_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = None
        if scope["type"] == "http" and scope["method"] not in _SAFE:
            key = dict(scope["headers"]).get(b"idempotency-key")
        if key is None:
            await self._app(scope, receive, send)
        elif refusal := _unusable(key.decode("latin-1"), scope):
            await refusal(scope, receive, send)
        else:
            await self._run(key.decode(), scope, receive, send)

    async def _run(self, key: str, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await Request(scope, receive).body()  # `Limits` says how large it may be.
        except ClientDisconnect:
            return  # Half a request is none.
        except HTTPException as error:
            await problem(error.status_code, error.detail)(scope, receive, send)
            return
        module = speaking.get()  # Whose data move takes them along.
        claim = Claim(
            scope["principal"].id,
            key,
            _fingerprint(scope, body),
            None if module == PLATFORM else module,
        )
        answer = await self._known(claim)
        if answer is None:
            keeping = _Keeping(self._database, claim, send)
            token = opening.set(claim.take)
            try:
                await self._app(scope, _again(body, receive), keeping.send)
            except asyncio.CancelledError:
                raise
            except BaseException:  # The error above, alone or among those of other tasks.
                if not claim.is_taken or keeping.has_begun:
                    await keeping.end()
                    raise
            finally:
                opening.reset(token)
            # By a request whose key was not visible a moment ago. What the application made of it is
            # dropped.
            if claim.is_taken and not keeping.has_begun:
                answer = await self._known(claim) or _in_work()
        if answer is not None:
            await answer(scope, receive, send)

    async def _known(self, claim: Claim) -> Response | None:
        """Return the answer to a request whose key is known, or cannot be looked up."""
        try:
            async with self._database.read() as reading:
                found = await reading.execute(_FIND.bindparams(**{k: claim.row[k] for k in _WHOSE}))
                known = found.one_or_none()
        except Exception as error:  # Whatever it is, nothing has been done yet.
            if (refusal := answer_to(error, has_written=False)) is None:
                raise
            logger.warning("A key could not be looked up: %s", cause(error))
            return refusal
        if known is None:
            return None
        if known.fingerprint != claim.row["fingerprint"]:
            return problem(422, "This Idempotency-Key belongs to another request: use a new one.")
        if known.status == _ENDED:
            return problem(
                409,
                "This has ended without an answer that was kept. Some or all of it was done: look "
                "what is there.",
                "urn:problem-type:answer-lost",
            )
        if known.status is not None:
            answer = Response(known.body, known.status)
            answer.raw_headers = [
                (name.encode("latin-1"), value.encode("latin-1"))
                for name, value in [*json.loads(known.headers), ("idempotent-replayed", "true")]
            ]
            return answer
        if known.age < self._timeout:
            return _in_work()
        return problem(
            409,
            "This was done, but its answer was lost: look what is there.",
            "urn:problem-type:answer-lost",
        )


class _Keeping:
    """Keeps an answer, whole, before the client gets it."""

    def __init__(self, database: Database, claim: Claim, send: Send) -> None:
        self._database, self._claim, self._send = database, claim, send
        self._held: list[Message] = []
        self._size = 0
        self.has_begun = False
        """Whether the client has some of it."""

    async def send(self, message: Message) -> None:
        if self._claim.is_taken and not self.has_begun:
            return
        self._held.append(message)
        self._size += len(message.get("body", b""))
        is_whole = message["type"] == "http.response.body" and not message.get("more_body", False)
        if is_whole:
            self._claim.is_answered = True
            fits = not self.has_begun and self._size <= _LARGEST_ANSWER
            has_done = self._claim.is_written or self._claim.is_late
            if has_done or (fits and self._held[0]["status"] < 500):
                # Whether or not the client still waits: it will ask again.
                await asyncio.shield(asyncio.ensure_future(self._keep(fits)))
        if is_whole or self._size > _LARGEST_ANSWER:
            self.has_begun = True
            held, self._held = self._held, []
            for each in held:
                await self._send(each)

    async def end(self) -> None:
        """Note that there will be no answer, where something was done."""
        if not self._claim.is_answered and (self._claim.is_written or self._claim.is_late):
            self._claim.is_answered = True
            await asyncio.shield(asyncio.ensure_future(self._keep(False)))

    async def _keep(self, fits: bool) -> None:
        answer: dict[str, object] = {"status": _ENDED, "headers": None, "body": None}
        start, *parts = self._held or [{"status": 500}]
        if fits and start["status"] < 500:
            headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in start["headers"]]
            answer["status"], answer["headers"] = start["status"], json.dumps(headers)
            answer["body"] = b"".join(part.get("body", b"") for part in parts)
        keep = _KEEP_LATE if self._claim.is_late else _KEEP
        try:
            async with self._database.transaction() as tx:
                # Finds nothing where nothing was committed: then it can be done again.
                await tx.execute(keep, self._claim.row | answer)
        except Exception as error:  # What was asked for is done all the same.
            logger.warning("The answer to a request with a key could not be kept: %s", cause(error))


def _unusable(key: str, scope: Scope) -> Response | None:
    if not _KEY.fullmatch(key):
        return problem(400, "Idempotency-Key: use 1 to 255 visible characters of ASCII.")
    if scope.get("principal") is None:
        return problem(400, "Idempotency-Key: needs a bearer token, since a key is its sender's.")
    return None


def _in_work() -> Response:
    refusal = problem(409, "A request with this Idempotency-Key is being worked on.")
    refusal.headers["Retry-After"] = "1"
    return refusal


def _fingerprint(scope: Scope, body: bytes) -> bytes:
    may = " ".join(sorted(scope["principal"].scopes))  # An answer may say what others may not hear.
    asked = f"{may}\n{scope['method']} {scope['path']}?".encode() + scope["query_string"] + b"\n"
    return hashlib.sha256(asked + body).digest()


def _again(body: bytes, receive: Receive) -> Receive:
    """Return what hands on a body that was read."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_again
