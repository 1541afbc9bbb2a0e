"""What stands in a database for a module whose data move: its gate, and a fence where that is closed.

The fence is a trigger on each table; Postgres fires none for what a subscription applies. Behind it the
module's role cannot even read, so that a process which knows of one database alone shows nothing old.
"""

from app.platform.database.gates import CHANNEL, FENCED, SCHEMA

FENCE = "carving_fence"
"""What the trigger is called."""
TABLES = """pg_class WHERE relnamespace = to_regnamespace(quote_ident('{0}'))
    AND relkind IN ('r', 'p') AND relname <> 'alembic_version'"""
"""The tables of a module; its history is not data, and each database has its own."""
HAS_FENCE = f"""EXISTS (SELECT FROM pg_trigger
    WHERE tgrelid = pg_class.oid AND tgname = '{FENCE}' AND tgenabled <> 'D')"""
_OPEN_SIDE = f"""COALESCE(' ' || (SELECT CASE state WHEN 'open' THEN 'It is open, so this is a fault: '
    'run `app carve status`.' ELSE 'They are in the other one, or on their way.' END
    FROM {SCHEMA}.gates WHERE module = TG_TABLE_SCHEMA), '')"""

INSTALL = f"""DO $install$ BEGIN
    IF to_regclass('{SCHEMA}.proofs') IS NULL THEN
        CREATE SCHEMA IF NOT EXISTS {SCHEMA};
        CREATE TABLE IF NOT EXISTS {SCHEMA}.gates (
            module text PRIMARY KEY,
            state text NOT NULL CHECK (state IN ('open', 'closing', 'closed', 'away')),
            is_own boolean NOT NULL,
            peer text,
            changed timestamptz NOT NULL DEFAULT now()
        );
        CREATE TABLE IF NOT EXISTS {SCHEMA}.proofs (
            module text PRIMARY KEY,
            is_equal boolean NOT NULL,
            tables jsonb NOT NULL,
            taken timestamptz NOT NULL DEFAULT now()
        );
        CREATE OR REPLACE FUNCTION {SCHEMA}.refuse() RETURNS trigger LANGUAGE plpgsql AS $refuse$
            BEGIN
                RAISE EXCEPTION USING ERRCODE = '{FENCED}', MESSAGE = format(
                    '%s.%s: the data of %s are not written in this database.%s',
                    TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_TABLE_SCHEMA, {_OPEN_SIDE});
            END
        $refuse$;
        GRANT USAGE ON SCHEMA {SCHEMA} TO PUBLIC;
        GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMA} TO PUBLIC;
    END IF;
END $install$"""
"""Makes the tables that hold gates and proofs, where they are missing. The peer is the other database, by the
identifier of its server: no command takes a third one for it."""


def fence(module: str) -> str:
    """Return what puts the fence on each table of a module that has none."""
    replace = (
        f"CREATE OR REPLACE TRIGGER {FENCE} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %1$s "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {SCHEMA}.refuse(); "
        f"ALTER TABLE %1$s ENABLE TRIGGER {FENCE}"
    )
    return _each_table(module, f"NOT {HAS_FENCE}", replace, "REVOKE USAGE ON SCHEMA %I FROM %I")


def lift_fence(module: str) -> str:
    """Return what lets everybody write again. It waits for no reader: the trigger stays, disabled."""
    disable = f"ALTER TABLE %1$s DISABLE TRIGGER {FENCE}"
    return _each_table(module, HAS_FENCE, disable, "GRANT USAGE ON SCHEMA %I TO %I")


def clear_fence(module: str) -> str:
    """Return what drops triggers that are disabled, which waits for readers."""
    is_left = HAS_FENCE.replace("<> 'D'", "= 'D'")
    return _each_table(module, is_left, f"DROP TRIGGER {FENCE} ON %1$s")


def change_gate(module: str, to: str, *, was: str) -> str:
    """Return what changes a gate and says so; it fails where the gate is another one meanwhile."""
    return f"""DO $gate$ BEGIN
        UPDATE {SCHEMA}.gates SET state = '{to}', changed = now()
            WHERE module = '{module}' AND state IN ({was});
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the gate of {module} is not as expected any more';
        END IF;
        PERFORM pg_notify('{CHANNEL}', '{module}');
    END $gate$"""


def _each_table(module: str, which: str, do: str, with_schema: str = "") -> str:
    """Return what does something with tables, and perhaps with the schema and the role that speaks there."""
    for_role = f"""FOR speaker IN SELECT left(rolname, -length('__owner'))
            FROM pg_namespace JOIN pg_roles ON pg_roles.oid = nspowner
            WHERE nspname = '{module}' AND right(rolname, length('__owner')) = '__owner' LOOP
            EXECUTE format('{with_schema}', '{module}', speaker);
        END LOOP;"""
    return f"""DO $each$ DECLARE relation regclass; speaker text; BEGIN
        FOR relation IN SELECT oid FROM {TABLES.format(module)} AND {which} ORDER BY relname LOOP
            EXECUTE format($do${do}$do$, relation);
        END LOOP;
        {for_role if with_schema else ""}
    END $each$"""
