"""Settings that are too weak, or do not fit to each other."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sqlalchemy import make_url, URL

from app.platform.settings.remote import parse_addresses, parse_timeouts

if TYPE_CHECKING:
    from app.platform.settings.settings import Settings

_SHORTEST_PASSWORD = 12


def contradictions(settings: "Settings") -> Iterator[tuple[str, str]]:
    """Yield variables that are too weak, or do not fit to others, and what is wrong with them."""
    if settings.database_statement_timeout > settings.request_timeout:
        yield "DATABASE_STATEMENT_TIMEOUT", "must not be longer than REQUEST_TIMEOUT"
    if settings.request_timeout > settings.shutdown_timeout:
        yield "SHUTDOWN_TIMEOUT", "must not be shorter than REQUEST_TIMEOUT"
    yield from _remote(settings)
    yield from _own(settings)
    replica = make_url(settings.database_replica_url or settings.database_url)
    if not settings.database_roles and (
        replica.username != make_url(settings.database_url).username
    ):
        yield (
            "DATABASE_REPLICA_URL",
            "must name the user of DATABASE_URL, whose name is part of every role's",
        )
    # A service, which has no admin, is told of its own login as well.
    admin = settings.migration_database_url and make_url(settings.migration_database_url).username
    for _, login in settings.services or ():
        if login in (settings.roles, admin):
            yield (
                "SERVICE_LOGINS",
                f"{login} may speak as every module: name a login that the service has for itself",
            )
    for origin in settings.cors_origins.split():
        sent = _origin(origin)
        if sent != origin:
            yield (
                "CORS_ORIGINS",
                f"{origin} is not an origin as browsers send it: write "
                f"{sent or 'https://shop.example.com'}",
            )
    if bool(settings.oidc_issuer) != bool(settings.oidc_audience):
        yield "OIDC_AUDIENCE", "belongs to OIDC_ISSUER: set both or none"
    elif settings.oidc_clients and not settings.oidc_issuer:
        yield "OIDC_CLIENTS", "belongs to OIDC_ISSUER: set that as well, or none of them"
    elif settings.oidc_issuer and settings.oidc_audience:
        if not settings.oidc_audience.strip():
            yield "OIDC_AUDIENCE", "is blank: name whom the tokens must be for"
        if _origin(settings.oidc_issuer) is None or re.search(r"[\s?#]", settings.oidc_issuer):
            yield "OIDC_ISSUER", "is not the URL of an issuer: write https://id.example.com"
    if settings.is_development:
        return
    if settings.oidc_issuer and not settings.oidc_issuer.startswith("https://"):
        yield "OIDC_ISSUER", "must start with https:// in production"
    users = {
        name: make_url(url)
        for name, url in (
            ("DATABASE_URL", settings.database_url),
            ("MIGRATION_DATABASE_URL", settings.migration_database_url),
            ("OWN_DATABASE_URL", settings.own_database_url),
            ("OWN_MIGRATION_DATABASE_URL", settings.own_migration_database_url),
        )
        if url is not None
    }
    for name in ("DATABASE_URL", "OWN_DATABASE_URL"):
        its_admin = name.replace("DATABASE", "MIGRATION_DATABASE")
        if {name, its_admin} <= users.keys() and users[its_admin].username == users[name].username:
            yield its_admin, f"must name another user than {name}, who owns no tables"
    for name, each in users.items():
        if each.password is not None and len(str(each.password)) < _SHORTEST_PASSWORD:
            yield name, f"has a password of less than {_SHORTEST_PASSWORD} characters"


def _remote(settings: "Settings") -> Iterator[tuple[str, str]]:
    elsewhere = parse_addresses(settings.remote_modules)
    if elsewhere and not settings.remote_keys:
        yield (
            "REMOTE_KEYS",
            "is not set, and signs the calls of REMOTE_MODULES: set the same for both",
        )
    if both := elsewhere.keys() & set(settings.modules.split()):
        yield "REMOTE_MODULES", f"has {min(both)}, which this process serves itself by MODULES"
    for name, seconds in parse_timeouts(settings.remote_timeouts).items():
        if seconds > settings.request_timeout:
            yield "REMOTE_TIMEOUTS", f"gives {name} longer than REQUEST_TIMEOUT"


def _own(settings: "Settings") -> Iterator[tuple[str, str]]:
    if settings.own_database_url is None:
        return
    main, own = make_url(settings.database_url), make_url(settings.own_database_url)
    if len(set(settings.modules.split())) != 1:
        yield "OWN_DATABASE_URL", "is the database of one module: name that one, alone, in MODULES"
    if settings.database_replica_url:
        yield (
            "DATABASE_REPLICA_URL",
            "may not be set beside OWN_DATABASE_URL: it would show data that have moved",
        )
    if _place(main) == _place(own):
        yield "OWN_DATABASE_URL", "leads to the database of DATABASE_URL: name another one"
    if not settings.database_roles and main.username != own.username:
        yield (
            "OWN_DATABASE_URL",
            "must name the user of DATABASE_URL, whose name is part of every role's, or DATABASE_ROLES "
            "say whose",
        )


def _place(url: URL) -> tuple[str, int, str]:
    return (url.host or "", url.port or 5432, url.database or "")


def _origin(url: str) -> str | None:
    """Return the origin of a URL as browsers write it, or None where it has none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    usual = {"http": 80, "https": 443}
    if parts.scheme not in usual or not host or not host.isascii():
        return None
    if ":" in host:
        host = f"[{host}]"
    is_usual = port is None or port == usual[parts.scheme]
    return f"{parts.scheme}://{host}" + ("" if is_usual else f":{port}")
