"""Connections to a database: all there are are made here, so that none waits for ever.

A password may change while this process runs: the file in /run/secrets that a URL came from is read
again for each new connection, and the password that worked last is tried as well. Change the file
first, and when it is everywhere the role; connections that are open live on.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, MissingGreenlet
from sqlalchemy.util.concurrency import in_greenlet

from app.platform.timeouts import (
    CONNECT,
    KEEPALIVE_COUNT,
    KEEPALIVE_IDLE,
    KEEPALIVE_INTERVAL,
    MARGIN,
    UNACKNOWLEDGED,
)

_SECRETS = Path("/run/secrets")
_NAMES = ("database_url", "database_replica_url", "own_database_url")
_KEEP_ALIVE = {
    "TCP_KEEPIDLE": KEEPALIVE_IDLE,
    "TCP_KEEPALIVE": KEEPALIVE_IDLE,  # What macOS calls it.
    "TCP_KEEPINTVL": KEEPALIVE_INTERVAL,
    "TCP_KEEPCNT": KEEPALIVE_COUNT,
    "TCP_USER_TIMEOUT": UNACKNOWLEDGED * 1000,
}


class _Login(NamedTuple):
    """Who logs in where: what stays while the password changes."""

    user: str | None
    host: str | None
    port: int | None
    database: str | None


_IN_URL = (*_Login._fields, "password", "ssl")
_worked: dict[_Login, str] = {}
"""The password with which each logged in last."""


_led: dict[_Login, str] = {}
"""Whom `lead` leads elsewhere, and where."""


class Connection(asyncpg.Connection):
    """Leaves without waiting for a server that may be gone."""

    _config: Any
    _protocol: Any

    async def _cleanup_stmts(self) -> None:
        # Before it prepares another one, asyncpg closes old ones, without any limit.
        async with asyncio.timeout(self._config.command_timeout):
            await super()._cleanup_stmts()  # type: ignore[misc]

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Close it. A statement that was given up is cancelled first, if Postgres answers soon."""
        with suppress(TimeoutError):
            if not self.is_closed() and self._protocol._is_cancelling():
                await super().close(timeout=MARGIN)
        self.terminate()


def lead(url: str, to: str | None) -> None:
    """Let whoever connects to a URL be led to another one; or there again, where that is None."""
    login, _ = _parse(url)
    _led.pop(login, None)
    if to is not None:
        _led[login] = to


async def connect(url: str | None, **options: Any) -> asyncpg.Connection:
    """Connect past the pool, with options of `asyncpg.connect`; where `lead` says. Give
    `command_timeout`."""
    if _led:
        login = _named(options) if url is None else _parse(url)[0]
        if (elsewhere := _led.get(login)) is not None:
            url = elsewhere
            options = {name: each for name, each in options.items() if name not in _IN_URL}
    return await connect_straight(url, **options)


async def connect_straight(url: str | None, **options: Any) -> asyncpg.Connection:
    """Connect as `connect` does, and be led nowhere else."""
    given = options.pop("password", None)
    if url is None:
        login = _named(options)
    else:
        login, given = _parse(url)
    options = {"timeout": CONNECT, "connection_class": Connection, **options}
    # What the file holds now, what worked last, what was given; the first once more, since the role
    # may have been changed between two attempts.
    found = list(dict.fromkeys((_current(login), _worked.get(login), given)))
    candidates = [each for each in found if each is not None] or [None]
    for password in candidates + candidates[:1] * (len(candidates) > 1):
        try:
            connection: asyncpg.Connection = await asyncpg.connect(
                url, password=password, **options
            )
        except asyncpg.InvalidPasswordError as error:
            refused = error
        else:
            if password is not None:
                _worked[login] = password
            _keep_alive(connection)
            return connection
    raise refused


def connect_in_greenlet(**options: Any) -> Awaitable[asyncpg.Connection]:
    """Connect for a pool, as its `async_creator_fn`; nobody who cannot wait: see `fetch`."""
    if not in_greenlet():
        raise MissingGreenlet
    return connect(None, **options)


def _keep_alive(connection: Any) -> None:
    """Let the kernel find out when the other end of a connection is gone."""
    end = connection._transport.get_extra_info("socket")
    if end.family in (socket.AF_INET, socket.AF_INET6):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEP_ALIVE.items():
            if hasattr(socket, name):
                end.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _current(login: _Login) -> str | None:
    """Return the password in the file of a URL, where such a file has said what this process uses."""
    given = {name.lower() for name in os.environ}
    for name in _NAMES:
        if name in given:  # The environment counts more than the file.
            continue
        try:
            written, password = _parse((_SECRETS / name).read_text("utf-8").strip())
        except (OSError, ValueError, ArgumentError):
            continue
        if written == login:
            return password
    return None


def _named(options: Mapping[str, Any]) -> _Login:
    return _Login(*(options.get(name) for name in _Login._fields))


def _parse(url: str) -> tuple[_Login, str | None]:
    parsed = make_url(url)
    password = None if parsed.password is None else str(parsed.password)
    return _Login(parsed.username, parsed.host, parsed.port, parsed.database), password
