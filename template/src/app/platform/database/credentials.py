"""Connections to a database: all there are are made here, so that none waits for ever.

Its password may change while this process runs. Where a URL came from a file in /run/secrets, that file is read again for each new connection.
Postgres knows one password of a role at a time, and files reach processes one after the other: so
the password that worked last is tried as well. Change the file first, and when it is everywhere the
role; connections that are open live on.
"""

import asyncio
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import asyncpg
from sqlalchemy import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect
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

Connected = TypeVar("Connected")

_SECRETS = Path("/run/secrets")
_NAMES = ("database_url", "database_replica_url")
_REFUSED = "28P01"
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


_worked: dict[_Login, str] = {}
"""The password with which each logged in last."""


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


async def connect(url: str, **options: Any) -> asyncpg.Connection:
    """Connect past the pool, with options of `asyncpg.connect`. Give `command_timeout`."""
    options = {"timeout": CONNECT, "connection_class": Connection, **options}
    login, given = _parse(url)
    *others, last = _candidates(login, given)
    for password in others:
        try:
            connected = await asyncpg.connect(url, password=password, **options)
        except asyncpg.InvalidPasswordError:
            continue
        return _keep(login, password, _keep_alive(connected))
    return _keep(login, last, _keep_alive(await asyncpg.connect(url, password=last, **options)))


def connect_in_greenlet(
    dialect: Dialect, _record: object, arguments: list[Any], options: dict[str, Any]
) -> DBAPIConnection:
    """Connect for a pool; nobody who could not wait for it: see `fetch`, which tries without."""
    if not in_greenlet():
        raise MissingGreenlet
    options = {"timeout": CONNECT, "connection_class": Connection, **options}
    login = _Login(*(options.get(name) for name in _Login._fields))
    *others, last = _candidates(login, options.get("password"))
    for password in others:
        try:
            connected = dialect.connect(*arguments, **{**options, "password": password})
        except Exception as error:
            if _sqlstate_of(error) != _REFUSED:
                raise
        else:
            break
    else:
        password = last
        connected = dialect.connect(*arguments, **{**options, "password": password})
    _keep_alive(dialect.get_driver_connection(connected))
    return _keep(login, password, connected)


def _keep_alive(connection: Any) -> Any:
    """Let the kernel find out when the other end of a connection is gone."""
    end = connection._transport.get_extra_info("socket")
    if end.family in (socket.AF_INET, socket.AF_INET6):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEP_ALIVE.items():
            if hasattr(socket, name):
                end.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return connection


def _candidates(login: _Login, given: str | None) -> list[str | None]:
    """Return the passwords to try: what the file holds now, what worked last, what was given."""
    found = list(dict.fromkeys((_current(login), _worked.get(login), given)))
    candidates: list[str | None] = [each for each in found if each is not None] or [None]
    # The role may have been changed between two attempts.
    return candidates + candidates[:1] * (len(candidates) > 1)


def _keep(login: _Login, password: str | None, connection: Connected) -> Connected:
    """Remember what worked."""
    if password is not None:
        _worked[login] = password
    return connection


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


def _parse(url: str) -> tuple[_Login, str | None]:
    parsed = make_url(url)
    password = None if parsed.password is None else str(parsed.password)
    return _Login(parsed.username, parsed.host, parsed.port, parsed.database), password


def _sqlstate_of(error: Exception) -> str | None:
    return getattr(error, "sqlstate", None) or getattr(error.__cause__, "sqlstate", None)
