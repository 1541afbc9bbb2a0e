# mypy: ignore-errors
# ruff: noqa: ANN001, ANN201
"""Ask a live database how it fits the code. Run by a repository's own Python, of which it imports.

Prints JSON: which schemas are behind, ahead, missing or left over, whose they are, which roles are
missing or not granted, how tables differ, and why that could not be asked. Nothing is changed.
"""

import asyncio
import json
import sys

from app import modules
from app.cli_errors import describe
from app.platform.database import login_of, owner_of, role_of, sqlstate_of
from app.platform.migrations import admin_connection, applied_to
from app.platform.migrations.histories import QUEUE, REQUESTS
from app.platform.migrations.revisions import read_revisions
from app.platform.schemas import STATEMENTS
from app.platform.settings import load_settings
from app.platform.wiring import discover
from sqlalchemy import text

SCHEMAS = text("SELECT nspname, nspowner::regrole::text FROM pg_namespace")
ROLES = text("SELECT rolname FROM pg_roles WHERE starts_with(rolname, :begin)")
GRANTED = text("SELECT pg_has_role(:login, :role, 'MEMBER')")
VERSION = text("SELECT current_setting('server_version_num')::int / 10000")


def look(connection, login, folders):
    """Compare what is there with what the code has."""
    owners = {name: owner.strip('"') for name, owner in connection.execute(SCHEMAS)}
    roles = set(connection.scalars(ROLES, {"begin": f"{login}__"}))
    known = [*folders, REQUESTS, QUEUE]
    ours = {name(login, each.name) for each in known for name in (role_of, owner_of)}
    own = {owner_of(login, each.name) for each in known} | {owner_of(login, STATEMENTS)}
    found = {
        "login": login,
        "postgres": connection.scalar(VERSION),
        "missing_schemas": [each.name for each in known if each.name not in owners],
        "missing_roles": sorted(ours - roles),
        "other_owners": {
            each.name: owners[each.name]
            for each in known
            if owners.get(each.name, owner_of(login, each.name)) != owner_of(login, each.name)
        },
        "left_schemas": sorted(n for n, owner in owners.items() if owner in roles - own),
        "not_granted": [],
        "behind": [],
        "ahead": {},
    }
    for each in known:
        role = role_of(login, each.name)
        if role not in roles or each.name not in owners or each is QUEUE:
            continue
        if not connection.scalar(GRANTED, {"login": login, "role": role}):
            found["not_granted"].append(role)
            continue
        code = read_revisions(each.path / "migrations")
        if code is None:
            continue
        applied = applied_to(connection, role, each)
        connection.rollback()
        if unknown := sorted(applied - code.known):
            found["ahead"][each.name] = unknown
        elif not applied >= code.heads:
            found["behind"].append(each.name)
    return found


async def tables(settings, login, folders):
    """Compare tables, where all else is right: it needs the right to act as their owners."""
    try:
        from app.development.autogenerate import missing_migrations

        return await missing_migrations(settings.admin_url, login, folders), ""
    except Exception as error:
        if sqlstate_of(error) == "42501":
            return {}, "that is for an admin: set MIGRATION_DATABASE_URL"
        return {}, describe(error)


async def main():
    """Print what was found, or one sentence and exit with 1."""
    try:
        settings = load_settings()
        login, folders = login_of(settings.database_url), discover(modules)
        async with admin_connection(settings.database_url) as connection:
            found = await connection.run_sync(look, login, folders)
    except Exception as error:
        sys.exit(describe(error))
    wrong = ("behind", "ahead", "missing_schemas", "missing_roles", "other_owners", "not_granted")
    found["differences"], found["unasked"] = {}, ""
    if not any(found[each] for each in wrong):
        found["differences"], found["unasked"] = await tables(settings, login, folders)
    print(json.dumps(found))


asyncio.run(main())
