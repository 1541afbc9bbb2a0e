"""Connections to a database whose password changes while this process runs.

Where a URL came from a file in /run/secrets, that file is read again for each new connection.
Postgres knows one password of a role at a time, and files reach processes one after the other: so
the password that worked last is tried as well. Change the file first, and when it is everywhere the
role; connections that are open live on.
"""

import os
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import asyncpg
from sqlalchemy import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect
from sqlalchemy.exc import ArgumentError, MissingGreenlet
from sqlalchemy.util.concurrency import in_greenlet

Connected = TypeVar("Connected")

_SECRETS = Path("/run/secrets")
_NAMES = ("database_url", "database_replica_url")
_REFUSED = "28P01"


class _Login(NamedTuple):
    """Who logs in where: what stays while the password changes."""

    user: str | None
    host: str | None
    port: int | None
    database: str | None


_worked: dict[_Login, str] = {}
"""The password with which each logged in last."""


async def connect(url: str, **options: Any) -> asyncpg.Connection:
    """Connect past the pool, with options of `asyncpg.connect`."""
    login, given = _parse(url)
    *others, last = _candidates(login, given)
    for password in others:
        try:
            return _keep(login, password, await asyncpg.connect(url, password=password, **options))
        except asyncpg.InvalidPasswordError:
            continue
    return _keep(login, last, await asyncpg.connect(url, password=last, **options))


def connect_in_greenlet(
    dialect: Dialect, _record: object, arguments: list[Any], options: dict[str, Any]
) -> DBAPIConnection:
    """Connect for a pool; nobody who could not wait for it: see `fetch`, which tries without."""
    if not in_greenlet():
        raise MissingGreenlet
    login = _Login(*(options.get(name) for name in _Login._fields))
    *others, last = _candidates(login, options.get("password"))
    for password in others:
        try:
            connected = dialect.connect(*arguments, **{**options, "password": password})
        except Exception as error:
            if _sqlstate_of(error) != _REFUSED:
                raise
        else:
            return _keep(login, password, connected)
    return _keep(login, last, dialect.connect(*arguments, **{**options, "password": last}))


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
