"""The queue, while a module is renamed, and when one is removed; part of `app migrate`.

Until a rename is finished the release before may run, which knows the old names only. So a trigger writes
them whoever enqueues: whatever is counted or looked up by name is right for both releases, and either can
do each job. Then what is left takes the new names.
"""

from sqlalchemy import Connection, text

from app.platform import schemas
from app.platform.database import owner_of
from app.platform.jobs.names import NAMES

_TABLES = NAMES.qualified
_IS_THERE = text(f"SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = '{schemas.QUEUE}')")
_LOCK = f"LOCK TABLE {_TABLES.queue_table}, {_TABLES.schedules_table} IN %s MODE"
"""At first, as much as is needed later: who asks for more while others wait makes a deadlock."""
_SPEAK = """CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $body$
    BEGIN
        NEW.entrypoint := {entrypoint};
        {key}
        RETURN NEW;
    END $body$"""
_TRIGGER = """CREATE TRIGGER {trigger} BEFORE INSERT ON {table} FOR EACH ROW
    WHEN (starts_with(NEW.entrypoint, '{new}.')) EXECUTE FUNCTION {function}()"""
_RENAME = f"""UPDATE {_TABLES.queue_table} SET entrypoint = {{entrypoint}}, dedupe_key = {{key}},
        headers = jsonb_build_object('named', split_part(entrypoint, '@', 1))
            || CASE jsonb_typeof(headers) WHEN 'object' THEN headers ELSE '{{{{}}}}' END
    WHERE starts_with(entrypoint, '{{old}}.')"""
_RESCHEDULE = f"""UPDATE {_TABLES.schedules_table} SET entrypoint = {{entrypoint}}
    WHERE starts_with(entrypoint, '{{old}}.')"""
_FORGET = f"""WITH gone AS (
        DELETE FROM {_TABLES.queue_table} WHERE starts_with(entrypoint, :prefix)
        RETURNING id, entrypoint, priority
    ), told AS (
        INSERT INTO {_TABLES.queue_table_log} (job_id, status, entrypoint, priority)
        SELECT id, 'deleted', entrypoint, priority FROM gone
    )
    SELECT count(*) FROM gone"""
_COPY = f"""CREATE TABLE "{{schema}}".jobs_in_queue AS SELECT id, status::text, entrypoint, priority,
    attempts, created, execute_after, dedupe_key, headers, payload
    FROM {_TABLES.queue_table} WHERE starts_with(entrypoint, '{{module}}.')"""


def speak_old_names(connection: Connection, login: str, old: str, new: str) -> None:
    """Let jobs of a module that is renamed keep their names in the queue.

    What is enqueued waits for this moment: it is to be the first that a transaction does.
    """
    if not connection.scalar(_IS_THERE):
        return
    _speak_as_owner(connection, login)
    _run(connection, _LOCK % "SHARE ROW EXCLUSIVE")
    for table, key in ((_TABLES.queue_table, "dedupe_key"), (_TABLES.schedules_table, None)):
        function = _function(table, old)
        entrypoint = _renamed("NEW.entrypoint", new, old)
        key = f"NEW.{key} := {_renamed(f'NEW.{key}', new, old)};" if key else ""
        _run(connection, _SPEAK.format(function=function, entrypoint=entrypoint, key=key))
        trigger = f"speak_of_{old}"
        _run(connection, _TRIGGER.format(trigger=trigger, table=table, new=new, function=function))
    connection.execute(text("RESET ROLE"))


def speak_new_names(connection: Connection, login: str, old: str, new: str) -> None:
    """Give what is in the queue the new names, for good. What was tried before keeps its `delivery.key`."""
    if not connection.scalar(_IS_THERE):
        return
    _speak_as_owner(connection, login)
    _run(connection, _LOCK % "ACCESS EXCLUSIVE")
    entrypoint = _renamed("entrypoint", old, new)
    key = _renamed("dedupe_key", old, new)
    for table in (_TABLES.queue_table, _TABLES.schedules_table):
        _run(connection, f"DROP FUNCTION IF EXISTS {_function(table, old)}() CASCADE")
    _run(connection, _RENAME.format(entrypoint=entrypoint, key=key, old=old))
    _run(connection, _RESCHEDULE.format(entrypoint=entrypoint, old=old))
    connection.execute(text("RESET ROLE"))


def forget_jobs(connection: Connection, login: str, module: str, archive: str | None) -> int:
    """Delete the jobs of a module that is removed, and when they are due; return how many there were.

    They are copied first into a schema `archive`, of the admin's.
    """
    if not connection.scalar(_IS_THERE):
        return 0
    if archive:
        _run(connection, _COPY.format(schema=archive, module=module))
    _speak_as_owner(connection, login)
    prefix = {"prefix": f"{module}."}
    number = int(connection.scalar(text(_FORGET), prefix) or 0)
    schedules = f"DELETE FROM {_TABLES.schedules_table} WHERE starts_with(entrypoint, :prefix)"
    connection.execute(text(schedules), prefix)
    connection.execute(text("RESET ROLE"))
    return number


def _speak_as_owner(connection: Connection, login: str) -> None:
    connection.execute(text(f'SET LOCAL ROLE "{owner_of(login, schemas.QUEUE)}"'))


def _function(table: str, old: str) -> str:
    kind = table.rpartition("_")[2] if table != _TABLES.queue_table else "jobs"
    return f"{schemas.QUEUE}.speak_of_{old}_in_{kind}"


def _renamed(column: str, old: str, new: str) -> str:
    """Return SQL for what a name becomes, with whatever stands behind it."""
    now = f"'{new}' || substr({column}, {len(old) + 1})"
    return f"CASE WHEN starts_with({column}, '{old}.') THEN {now} ELSE {column} END"


def _run(connection: Connection, sql: str) -> None:
    connection.exec_driver_sql(sql)
