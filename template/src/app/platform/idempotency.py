"""Idempotency keys: a request that is sent again is not done again.

A client that hears no answer sends its request once more, with the same `Idempotency-Key`. The key is
written by the first transaction that the request opens, in that transaction: what it did and that it
was done are committed together, or neither. So keep the work of a request in one transaction. The
answer is kept for a day, and given to whoever comes with the same key and the same request.
https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

import asyncio
import hashlib
import json
import logging
import re
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import text
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.platform.database import Database, opening, Tx
from app.platform.problems import later, problem
from app.platform.transaction import view_of

logger = logging.getLogger("app.http")

SCHEMA = "requests"
_SAFE = ("GET", "HEAD", "OPTIONS")
_KEY = re.compile(r"[!-~]{1,255}")
_LARGEST_ANSWER = 1_000_000
"""Bytes; a larger answer is not kept."""
_TAKE = text("""
    INSERT INTO requests.idempotency_keys AS known (principal, key, fingerprint, attempt)
    SELECT principal, key, CAST(:fingerprint AS bytea), CAST(:attempt AS uuid)
    FROM (VALUES (CAST(:principal AS text), CAST(:key AS text))) AS given (principal, key)
    WHERE pg_try_advisory_xact_lock(hashtextextended(principal || ' ' || key, 0))
    ON CONFLICT (principal, key) DO UPDATE SET (
        fingerprint, attempt, created_at, status, headers, body
    ) = (excluded.fingerprint, excluded.attempt, now(), NULL, NULL, NULL)
    WHERE known.attempt = excluded.attempt OR known.created_at < now() - interval '1 day'
    RETURNING known.key
""")
"""Returns nothing where another request has the key, or is about to."""
_FIND = text("""
    SELECT fingerprint, status, headers, body, extract(epoch FROM now() - created_at) AS age
    FROM requests.idempotency_keys
    WHERE principal = :principal AND key = :key AND created_at >= now() - interval '1 day'
""")
_KEEP = text("""
    UPDATE requests.idempotency_keys SET status = :status, headers = :headers, body = :body
    WHERE principal = :principal AND key = :key AND attempt = :attempt
""")
_FORGET = text("""
    DELETE FROM requests.idempotency_keys WHERE created_at < now() - interval '1 day'
""")


class _TakenError(Exception):
    """Another request has the key."""


@dataclass
class _Claim:
    """One request's claim to its key."""

    principal: str
    key: str
    fingerprint: bytes
    attempt: UUID
    is_taken: bool = False
    """Whether another request has the key."""

    async def take(self, tx: Tx) -> None:
        """Write the key in the transaction that does the work. Raises _TakenError."""
        if await view_of(tx, SCHEMA).scalar(_TAKE, vars(self)) is None:
            self.is_taken = True
            raise _TakenError


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
            body = await _read(receive)
        except ClientDisconnect:
            return  # Half a request is none.
        except HTTPException as error:
            await problem(error.status_code, error.detail)(scope, receive, send)
            return
        claim = _Claim(scope["principal"].id, key, _fingerprint(scope, body), uuid4())
        answer = await self._known(claim)
        if answer is None:
            keeping = _Keeping(self._database, claim, send)
            token = opening.set(claim.take)
            try:
                await self._app(scope, _again(body, receive), keeping.send)
            except Exception:
                if not claim.is_taken:
                    raise
            finally:
                opening.reset(token)
            if claim.is_taken:  # By a request whose key was not visible a moment ago.
                answer = await self._known(claim) or _in_work()
        if answer is not None:
            await answer(scope, receive, send)

    async def _known(self, claim: _Claim) -> Response | None:
        """Return the answer to a request whose key is known, or cannot be looked up."""
        try:
            async with self._database.transaction() as tx:
                known = (await tx.execute(_FIND, vars(claim))).one_or_none()
        except Exception as error:  # Whatever it is, nothing has been done yet.
            logger.warning("A key could not be looked up: %s", error)
            return later("The database is not reachable. Try again in a moment.")
        if known is None:
            return None
        if known.fingerprint != claim.fingerprint:
            return problem(422, "This Idempotency-Key belongs to another request: use a new one.")
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

    def __init__(self, database: Database, claim: _Claim, send: Send) -> None:
        self._database, self._claim, self._send = database, claim, send
        self._held: list[Message] = []
        self._size = 0

    async def send(self, message: Message) -> None:
        self._held.append(message)
        self._size += len(message.get("body", b""))
        is_whole = message["type"] == "http.response.body" and not message.get("more_body", False)
        if is_whole and self._size <= _LARGEST_ANSWER and self._held[0]["status"] < 500:
            # Whether or not the client still waits: it will ask again.
            await asyncio.shield(asyncio.ensure_future(self._keep()))
        if is_whole or self._size > _LARGEST_ANSWER:
            held, self._held = self._held, []
            for each in held:
                await self._send(each)

    async def _keep(self) -> None:
        opening.set(None)  # This transaction is not the request's.
        start, *parts = self._held
        headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in start["headers"]]
        answer = {
            "status": start["status"],
            "headers": json.dumps(headers),
            "body": b"".join(part.get("body", b"") for part in parts),
        }
        try:
            async with self._database.transaction() as tx:
                # Finds nothing where nothing was committed: then it can be done again.
                await tx.execute(_KEEP, {**vars(self._claim), **answer})
        except Exception as error:  # What was asked for is done all the same.
            logger.warning("The answer to a request with a key could not be kept: %s", error)


async def forget_keys(database: Database) -> None:
    """Delete the keys of yesterday."""
    async with database.transaction() as tx:
        await tx.execute(_FORGET)


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
    asked = f"{scope['method']} {scope['path']}?".encode() + scope["query_string"] + b"\n"
    return hashlib.sha256(asked + body).digest()


async def _read(receive: Receive) -> bytes:
    """Return the whole body; `Limits` says how large it may be."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return what hands on a body that was read."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_again
