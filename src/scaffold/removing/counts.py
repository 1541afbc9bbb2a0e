"""How much a module has in a live database: asked by the repository's own application."""

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

_PATIENCE = 20
_PROGRAM = """
import asyncio, json, sys
import asyncpg
from app.cli_development import present_settings
from app.platform.database import login_of
from app.platform.settings import SettingsError

TABLES = '''SELECT relname, greatest(reltuples, 0)::bigint, coalesce(
        (SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree(c.oid)),
        pg_total_relation_size(c.oid))::bigint
    FROM pg_class c JOIN pg_namespace n
    ON n.oid = relnamespace WHERE nspname = $1 AND relkind IN ('r', 'p') AND NOT relispartition
    AND relname <> 'alembic_version' ORDER BY 1'''

async def rows(connection, login, module, table, guess):
    for role in (None, f"{login}__{module}", f"{login}__{module}__owner"):
        try:
            async with connection.transaction():
                await connection.execute("SET LOCAL statement_timeout = '3s'")
                if role:
                    await connection.execute(f'SET LOCAL ROLE "{role}"')
                return await connection.fetchval(f'SELECT count(*) FROM "{module}"."{table}"')
        except asyncpg.QueryCanceledError:
            return guess
        except asyncpg.PostgresError:
            pass
    return guess

async def ask(settings, module):
    connection = await asyncpg.connect(settings.admin_url, timeout=5, command_timeout=10)
    try:
        login = login_of(settings.database_url)
        tables = await connection.fetch(TABLES, module)
        return {
            name: (await rows(connection, login, module, name, guess), size)
            for name, guess, size in tables
        }
    finally:
        await connection.close()

try:
    with present_settings() as settings:
        print(json.dumps(asyncio.run(ask(settings, sys.argv[1]))))
except (SettingsError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
    sys.exit(str(error) or type(error).__name__)
"""


@dataclass
class Counts:
    """What a database has of a module.

    Attributes:
        rows: of each table that is there; of large ones, about.
        sizes: of each, in bytes, with its indexes.
        jobs: how many there are in each state.
        unknown: why nobody knows, in a sentence; none where all is known.
    """

    rows: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    jobs: dict[str, int] = field(default_factory=dict)
    unknown: str = ""


def ask(root: Path, name: str) -> Counts:
    """Count rows and jobs in the database that DATABASE_URL names, or that `app dev` runs here."""
    python = root / ".venv/bin/python"
    if not python.is_file():
        return Counts(unknown="there is no .venv here, so that no database was asked")
    commands = (
        [str(python), "-c", _PROGRAM, name],
        [str(python.with_name("app")), "jobs", "count", "--json"],
    )
    try:
        started = [
            subprocess.Popen(
                command,
                cwd=root,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
                text=True,
            )
            for command in commands
        ]
    except OSError as error:
        return Counts(unknown=f"the application cannot be run ({error})")
    told = []
    for process in started:
        try:
            out, err = process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            err = "the database does not answer"
        told.append((out, err.strip(), process.returncode))
    for _, err, code in told:
        if code and "does not exist" in err:
            return Counts(unknown="the database has not been migrated yet: `app migrate` does that")
        if code:
            return Counts(unknown=err.splitlines()[-1] if err else "the application failed")
    try:
        tables = json.loads(told[0][0])
        return Counts(
            {table: rows for table, (rows, _) in tables.items()},
            {table: size for table, (_, size) in tables.items()},
            json.loads(told[1][0]).get(name, {}),
        )
    except ValueError:
        return Counts(unknown="the application printed no JSON")
