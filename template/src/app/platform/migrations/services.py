"""Logins of services: each may speak as its modules, and as what every process needs, and as no other.

A login counts as one if it may speak as the queue. Roles belong to the server, so they are granted for all
its databases.
"""

import logging
from collections.abc import Sequence

from sqlalchemy import Connection, text

from app.platform import schemas
from app.platform.database import check_login, grant, MigrationError, repeated, role_of
from app.platform.migrations.histories import History

logger = logging.getLogger("app.migrations")

Services = Sequence[tuple[str, str]]
"""Modules, each with a login."""

OF_ALL = (schemas.QUEUE, schemas.REQUESTS, schemas.STATEMENTS)
_MEMBERS = text("""SELECT rolname FROM pg_auth_members JOIN pg_roles ON pg_roles.oid = member
    WHERE roleid = to_regrole(quote_ident(:role)) AND rolcanlogin AND NOT rolsuper
        AND rolname NOT IN (:login, current_user) ORDER BY rolname""")
_ROLES = text("SELECT rolname FROM pg_roles WHERE starts_with(rolname, :prefix) ORDER BY rolname")
_HELD = text("""SELECT rolname FROM pg_auth_members JOIN pg_roles ON pg_roles.oid = roleid
    WHERE member = to_regrole(quote_ident(:service)) AND starts_with(rolname, :prefix)""")
_MAY_BE = text("""SELECT rolname FROM pg_roles
    WHERE starts_with(rolname, :prefix) AND pg_has_role(:service, oid, 'MEMBER') ORDER BY rolname""")


def check_services(
    connection: Connection, services: Services, histories: Sequence[History]
) -> None:
    """Raise MigrationError where a login does not exist, or inherits what it may, or a module is not there."""
    names = {name for each in histories for name in (each.name, each.former)}
    for module, service in services:
        if module not in names:
            raise MigrationError(
                f"SERVICE_LOGINS names the module {module}, and there is none of that name. "
                "`app modules` lists them."
            )
        check_login(connection, service, "SERVICE_LOGINS")


def let_services_speak(
    connection: Connection, login: str, services: Services, histories: Sequence[History]
) -> None:
    """Grant to each service what it is to speak as, and take all else of the application's from it.

    Raises MigrationError, and then changes nothing, where one may speak as others nevertheless.
    """
    repeated(
        connection,
        "the logins of services",
        lambda: _let_speak(connection, login, services, histories),
    )


def services_of(connection: Connection, login: str, module: str) -> list[str]:
    """Return the logins beside the application's and the admin's that may speak as a module."""
    return list(connection.scalars(_MEMBERS, {"role": role_of(login, module), "login": login}))


def _let_speak(
    connection: Connection, login: str, services: Services, histories: Sequence[History]
) -> None:
    prefix = {"prefix": f"{login}__"}
    existing = set(connection.scalars(_ROLES, prefix))
    called = {each.name: {each.name, each.former or each.name} for each in histories}
    wanted = {each: set[str]() for each in services_of(connection, login, schemas.QUEUE)}
    for module, service in services:
        names = next(each for each in called.values() if module in each)
        roles = {role_of(login, name) for name in (*names, *OF_ALL)}
        wanted.setdefault(service, set()).update(roles & existing)
    for service, roles in wanted.items():
        held = set(connection.scalars(_HELD, {"service": service, **prefix}))
        for role in sorted(held - roles):
            connection.execute(text(f'REVOKE "{role}" FROM "{service}"'))
            logger.info("%s may not speak as %s any more.", service, role)
        for role in sorted(roles):
            grant(connection, role, service)
    for service in {service for _, service in services}:
        may_be = connection.scalars(_MAY_BE, {"service": service, **prefix})
        if more := [role for role in may_be if role not in wanted[service]]:
            connection.rollback()
            raise MigrationError(
                f'The login "{service}" of SERVICE_LOGINS may speak as {", ".join(more[:3])} as well. Is '
                "it a superuser, a member of another login, or was that granted by another admin? "
                "Nothing was granted."
            )
    connection.commit()
