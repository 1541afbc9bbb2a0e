"""What keeps two servers from streaming: settings, rights, versions, and whether they reach each other."""

from collections.abc import Sequence
from typing import Any

import asyncpg
from sqlalchemy import make_url

from app.platform.carving.ends import End
from app.platform.carving.looking_tables import Finding

_OLDEST = 15
_PUBLISHER = """SELECT current_setting('wal_level') AS wal_level,
    current_setting('max_replication_slots')::int
        - (SELECT count(*) FROM pg_replication_slots)::int AS slots,
    current_setting('max_wal_senders')::int
        - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender')::int AS senders,
    current_setting('max_slot_wal_keep_size') AS keep,
    rolsuper, rolreplication, rolsuper OR rolreplication AS may_stream,
    has_database_privilege(current_database(), 'CREATE') AS may_create, rolname
    FROM pg_roles WHERE rolname = current_user"""
_SUBSCRIBER = """SELECT current_setting('max_logical_replication_workers')::int
        - (SELECT count(*) FROM pg_stat_subscription WHERE pid IS NOT NULL)::int AS workers,
    current_setting('max_sync_workers_per_subscription')::int AS sync_workers,
    current_setting('max_worker_processes')::int AS processes,
    current_setting('max_replication_slots')::int AS origins,
    rolsuper, rolname, has_database_privilege(current_database(), 'CREATE') AS may_create
    FROM pg_roles WHERE rolname = current_user"""
_MAY_SUBSCRIBE = "SELECT pg_has_role('pg_create_subscription', 'USAGE')"
_LOCALE = """SELECT pg_encoding_to_char(encoding) AS encoding, datlocprovider::text AS provider,
    datcollate, datctype FROM pg_database WHERE datname = current_database()"""
_EXTENSIONS = """SELECT extname AS name, extversion AS version FROM pg_extension WHERE extname <> 'plpgsql'
    AND EXISTS (SELECT FROM pg_depend AS member JOIN pg_depend AS used ON used.refclassid = member.classid
            AND used.refobjid = member.objid
        JOIN pg_class ON used.classid = 'pg_class'::regclass AND used.objid = pg_class.oid
        WHERE member.refclassid = 'pg_extension'::regclass AND member.refobjid = pg_extension.oid
            AND member.deptype = 'e' AND relnamespace = to_regnamespace(quote_ident($1)))"""
_AVAILABLE = """SELECT name, coalesce(installed_version, default_version) AS version FROM pg_available_extensions
    WHERE name = ANY($1)"""
_TRIAL = "carving_trial"
_SKEW = 5.0
_SYNC = 2


async def look_at_publisher(end: End) -> list[Finding]:
    """Return what keeps a stream from beginning here."""
    found, said = list[Finding](), await end.row(_PUBLISHER)
    where = end.name
    if end.version < _OLDEST:
        found.append(
            Finding(f"{where} runs PostgreSQL {end.version}", f"{_OLDEST} or newer is needed")
        )
    if said["wal_level"] != "logical":
        found.append(
            Finding(
                f"{where} has wal_level {said['wal_level']}",
                "ALTER SYSTEM SET wal_level = logical, and restart the server"
                + (" (or what your provider calls it)" if not said["rolsuper"] else ""),
            )
        )
    if not said["may_stream"]:
        found.append(
            Finding(
                f"{said['rolname']} may not stream from {where}",
                f'ALTER ROLE "{said["rolname"]}" REPLICATION, or what your provider calls it',
            )
        )
    if not said["may_create"]:
        found.append(
            Finding(f"{said['rolname']} may not create in {where}", "GRANT CREATE ON DATABASE")
        )
    # One for the stream, and as many again as tables are copied at once.
    for free, name in (
        (said["slots"], "max_replication_slots"),
        (said["senders"], "max_wal_senders"),
    ):
        if free < 1:
            found.append(
                Finding(f"{where} has no {name} left", f"raise {name}, and restart the server")
            )
        elif free < 1 + _SYNC:
            what = f"{where} has only {free} of {name} left"
            cure = f"the copy is slower; {1 + _SYNC} would do, after a restart"
            found.append(Finding(what, cure, blocks=False))
    found.append(_kept(where, said["keep"]))
    return found


async def look_at_subscriber(end: End) -> list[Finding]:
    """Return what keeps a stream from ending here."""
    found, said = list[Finding](), await end.row(_SUBSCRIBER)
    where, name = end.name, said["rolname"]
    if end.version < 16:
        if not said["rolsuper"]:
            found.append(
                Finding(
                    f"{where} runs PostgreSQL {end.version}, where only a superuser may follow another database",
                    "16 or newer, or a superuser",
                )
            )
    elif not said["rolsuper"] and not await end.session.fetchval(_MAY_SUBSCRIBE):
        found.append(
            Finding(
                f"{name} may not follow another database from {where}",
                f'GRANT pg_create_subscription TO "{name}"',
            )
        )
    if not said["may_create"]:
        found.append(Finding(f"{name} may not create in {where}", "GRANT CREATE ON DATABASE"))
    for left, setting in (
        (said["workers"], "max_logical_replication_workers"),
        (said["origins"], "max_replication_slots"),
    ):
        if left < 1:
            found.append(
                Finding(f"{where} has no {setting} left", f"raise {setting}, and restart it")
            )
    if said["workers"] < 1 + min(said["sync_workers"], _SYNC):
        cure = "the copy is slower, or waits; raise max_logical_replication_workers"
        found.append(
            Finding(f"{where} has {said['workers']} workers for streams left", cure, blocks=False)
        )
    return found


async def look_at_pair(source: End, target: End, module: str) -> list[Finding]:
    """Return what differs between both servers, and whether they reach each other."""
    found = list[Finding]()
    locales = [dict(await end.row(_LOCALE)) for end in (source, target)]
    if locales[0]["encoding"] != locales[1]["encoding"]:
        what = f"the encodings differ: {locales[0]['encoding']} and {locales[1]['encoding']}"
        found.append(Finding(what, "create the own database in the same encoding, as UTF8"))
    if _rest(locales[0]) != _rest(locales[1]):
        what = f"texts are sorted otherwise: {_told(locales[0])} and {_told(locales[1])}"
        cure = "create the own database with the same LOCALE_PROVIDER, LC_COLLATE and LC_CTYPE, or accept it"
        found.append(Finding(what, cure, blocks=False))
    if source.version > target.version:
        what = f"{target.name} runs PostgreSQL {target.version}, older than {source.version}"
        found.append(
            Finding(what, "see that no column needs what the older one lacks", blocks=False)
        )
    found += await _extensions(source, target, module)
    clocks = [
        await end.session.fetchval("SELECT extract(epoch FROM clock_timestamp())")
        for end in (source, target)
    ]
    if (apart := abs(float(clocks[0] - clocks[1]))) > _SKEW:
        what = f"the clocks of both servers are {apart:.0f} s apart"
        found.append(
            Finding(what, "set them: times that are compared jump at the cut", blocks=False)
        )
    for one, other in ((source, target), (target, source)):
        found += await _reach(one, other, is_back=one is target)
    return found


async def _extensions(source: End, target: End, module: str) -> list[Finding]:
    needed = {
        each["name"]: each["version"] for each in await source.session.fetch(_EXTENSIONS, module)
    }
    there = {
        each["name"]: each["version"]
        for each in await target.session.fetch(_AVAILABLE, list(needed))
    }
    found = []
    for name, version in needed.items():
        if name not in there:
            found.append(
                Finding(f"{target.name} lacks the extension {name}", "install it on its server")
            )
        elif there[name] != version:
            what = f"the extension {name} is {version} here and {there[name]} in {target.name}"
            found.append(
                Finding(what, "update the older one, if its type has changed", blocks=False)
            )
    return found


async def _reach(publisher: End, subscriber: End, *, is_back: bool) -> list[Finding]:
    """Let one server connect to the other as for a subscription, which is undone at once."""
    variable = f"{'OWN_' * publisher.is_own}REPLICATION_DATABASE_URL"
    what = f"{subscriber.name} does not reach {publisher.name}"
    if not make_url(publisher.reached_at).password:
        return [
            Finding(
                f"the URL by which {subscriber.name} reaches {publisher.name} has no password",
                f"set {variable} with one: who is no superuser may not do without",
                blocks=not is_back,
                of_way_back=is_back,
            )
        ]
    conninfo = publisher.conninfo().replace("'", "''")
    transaction = subscriber.session.transaction()
    await transaction.start()
    try:
        await subscriber.session.execute("SET LOCAL client_min_messages = 'error'")
        await subscriber.session.execute(
            f"CREATE SUBSCRIPTION {_TRIAL} CONNECTION '{conninfo}' PUBLICATION {_TRIAL} WITH "
            "(create_slot = false, enabled = false, slot_name = NONE, copy_data = false)"
        )
    except (asyncpg.InsufficientPrivilegeError, asyncpg.DuplicateObjectError):
        return []  # It is told of elsewhere, or could be tried before.
    except asyncpg.PostgresError as error:
        cure = f"see its address and pg_hba.conf; {variable} says how it is reached from there"
        told = " ".join(str(error).split())
        return [Finding(f"{what}: {told}", cure, blocks=not is_back, of_way_back=is_back)]
    finally:
        await transaction.rollback()
    return []


def _kept(where: str, limit: str) -> Finding:
    if limit == "-1":
        return Finding(
            f"{where} keeps WAL for a slot without a limit",
            "watch it while the copy runs, or set max_slot_wal_keep_size: then the copy may have to begin anew",
            blocks=False,
        )
    return Finding(
        f"{where} keeps {limit} of WAL for a slot at most",
        "a copy in which more than that is written has to begin anew",
        blocks=False,
    )


def _rest(locale: dict[str, Any]) -> Sequence[Any]:
    return [value for name, value in locale.items() if name != "encoding"]


def _told(locale: dict[str, Any]) -> str:
    provider = {"c": "libc", "i": "icu", "b": "builtin"}.get(locale["provider"], locale["provider"])
    return f"{provider} {locale['datcollate']}"
