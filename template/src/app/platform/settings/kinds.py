"""The kinds of values that settings have, each with what is wrong with another one."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from app.platform.settings.levels import parse_levels
from app.platform.settings.release import installed_version

MEMORY = "memory://"
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}")
"""What a tag of an image may be, and a label of Kubernetes nearly."""
_MODULE, _LOGIN = re.compile(r"[a-z][a-z0-9_]*"), re.compile(r"[^\s\"\x00=]{1,63}")
_COMMIT = re.compile(r"[0-9a-f]{7,64}(-dirty)?")


def _version(value: str) -> str:
    if value and not _VERSION.fullmatch(value):
        raise ValueError("is not a version: write 1.4.2, as the tag says without its v, or nothing")
    return value or installed_version()


def _commit(value: str) -> str | None:
    if value and not _COMMIT.fullmatch(value):
        raise ValueError("is not a commit: write what `git rev-parse HEAD` prints, or nothing")
    return value or None


Version = Annotated[str, AfterValidator(_version)]
"""Nothing, as in an image that was told none, is the version that is installed."""
Commit = Annotated[str, AfterValidator(_commit)]
"""Seven digits or more of its hash, with `-dirty` where there were changes; or nothing."""


def _database_url(value: str) -> str:
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):  # The port is no number.
        raise ValueError("is not a URL: write postgresql://user:password@host:5432/name") from None
    if url.drivername not in {"postgresql", "postgres"}:
        raise ValueError("must start with postgresql://")
    if url.port is not None and not 0 < url.port < 65_536:
        raise ValueError("has a port that does not exist")
    if unknown := url.query.keys() - {"sslmode"}:
        raise ValueError(f"has parameters that are not supported: {', '.join(sorted(unknown))}")
    if not url.username or not url.database:
        raise ValueError("must name a user and a database: postgresql://user:password@host/name")
    return value


def _login(value: str) -> str | None:
    if value and not _LOGIN.fullmatch(value):
        raise ValueError("is not the name of a login: write shop, as DATABASE_URL elsewhere has it")
    return value or None


def parse_logins(value: str) -> list[tuple[str, str]]:
    """Return modules, each with a login. Raises ValueError."""
    pairs = [each.partition("=") for each in value.split()]
    for module, _, login in pairs:
        if not _MODULE.fullmatch(module) or not _LOGIN.fullmatch(login):
            raise ValueError(
                "are not modules with a login each: write billing=shop_billing, with spaces between "
                "several"
            )
    return [(module, login) for module, _, login in pairs]


def _service_logins(value: str) -> str:
    parse_logins(value)
    return value


def _cache_url(value: str) -> str:
    if value == MEMORY:
        return value
    if not value.startswith(("redis://", "rediss://")):
        raise ValueError(f"must be {MEMORY}, or start with redis:// or rediss://")
    from redis.asyncio.connection import parse_url  # Slow to import, and seldom needed.

    try:
        parse_url(value)
    except ValueError:
        raise ValueError("is no URL of a Redis: write redis://:password@host:6379/0") from None
    return value


def _log_levels(value: str) -> str:
    parse_levels(value)
    return value


def _collector(value: str) -> str:
    try:
        parts = urlsplit(value)
        is_complete = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_complete = False
    if value and (not is_complete or parts.query or parts.fragment):
        raise ValueError("is not the URL of a collector: write http://127.0.0.1:4318")
    return value


CacheUrl = Annotated[str, AfterValidator(_cache_url)]
Seconds = Annotated[float, Field(allow_inf_nan=False)]
DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
Login = Annotated[str, AfterValidator(_login)]
"""Nothing is the same as none."""
ServiceLogins = Annotated[str, AfterValidator(_service_logins)]
LogLevels = Annotated[str, AfterValidator(_log_levels)]
Collector = Annotated[str, AfterValidator(_collector)]
