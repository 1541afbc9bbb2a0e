"""Takes away what stood in for the old name of a module; the name is free then."""

from datetime import datetime

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from app.platform.database import grant, MigrationError, owner_of
from app.platform.jobs import speak_new_names
from app.platform.migrations.locks import SESSION, told
from app.platform.migrations.removing import drop_roles
from app.platform.migrations.renaming import stands_in
from app.platform.migrations.services import services_of
from app.platform.wiring import Move

_STAYING = text(
    f"""SELECT {SESSION} FROM pg_stat_activity
    WHERE datname = current_database() AND usename = ANY(:logins) AND backend_start < :since
        AND pid <> pg_backend_pid()"""
)


def check_nobody_stays(
    connection: Connection, login: str, renamed: Move, since: datetime | None
) -> None:
    """Raise MigrationError where the application has sessions that are older than the rename: they may
    speak the old name."""
    old, new = renamed.name, renamed.to
    if stands_in(connection, old) is None:
        connection.rollback()
        return
    admin = str(connection.scalar(text("SELECT current_user")))
    logins = [login, *services_of(connection, login, old)]
    for each in logins:
        try:
            with connection.begin_nested():  # Whose member one is, one sees; it is undone below.
                grant(connection, each, admin, inherit=True)
        except DBAPIError:
            pass  # Then it takes pg_read_all_stats.
    staying = connection.execute(_STAYING, {"logins": logins, "since": since}).mappings().all()
    connection.rollback()
    if staying:
        raise MigrationError(
            f"{old} still stands in for {new}: sessions are open that are older than the rename, and may "
            f"be of the release before it: {'; '.join(map(told, staying))}. Roll out the release that "
            "renames it first, everywhere; or restart what holds them, or end them: SELECT "
            "pg_terminate_backend(pid)"
        )


def finish(connection: Connection, login: str, renamed: Move) -> str | None:
    """Drop the stand-in, in the transaction that is open; return None where there is none."""
    old, new = renamed.name, renamed.to
    if stands_in(connection, old) is None:
        return None
    speak_new_names(connection, login, old, new)
    connection.exec_driver_sql(f'DROP SCHEMA "{old}" CASCADE')
    owner, new_owner = owner_of(login, old), owner_of(login, new)
    connection.exec_driver_sql(f'REASSIGN OWNED BY "{owner}" TO "{new_owner}"')
    drop_roles(connection, login, old)
    return ""
