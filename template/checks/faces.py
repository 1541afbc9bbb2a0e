"""What modules may use of the platform, and of the libraries under it."""

from collections.abc import Iterator, Mapping

from checks.source import module_of, read_sources, Source, Violation

FACES: Mapping[str, frozenset[str]] = {
    "cache": frozenset({"Cache", "Cached"}),
    "database": frozenset({"Database", "NAMING", "Tx"}),
    "engine": frozenset({"BoundaryError", "OutcomeUnknownError", "TransactionError"}),
    "errors": frozenset({"Conflict", "DomainError", "NotFound", "violated"}),
    "events": frozenset({"Event", "Events"}),
    "fetch": frozenset({"Prepared"}),
    "flags": frozenset({"Flags"}),
    "jobs": frozenset({"Delivery", "job"}),
    "principal": frozenset({"Caller", "needs", "Principal", "PUBLIC"}),
    "reading": frozenset({"Reading"}),
    "traces": frozenset({"span"}),
    "wiring": frozenset({"Module"}),
}
"""By file of `app.platform`. What stands above the modules (`main`, `cli`) puts the platform together,
and may use all of it."""
TEST_FACES: Mapping[str, frozenset[str]] = {
    **FACES,
    "settings": frozenset({"Settings"}),
    "wiring": frozenset({"Module", "ModuleFolder", "wire", "Wired"}),
}
"""For the tests of a module: its fixtures are wired from these."""
_INSTEAD = {
    "cache_store": "cache",
    "fetch": "database",
    "flag_files": "flags",
    "flag_provider": "flags",
    "issuer": "principal",
    "queue": "jobs",
    "runner": "jobs",
    "schedule": "jobs",
    "tokens": "principal",
    "worker": "jobs",
}
"""The face of what is behind it, where it is not the database's."""
_DRIVERS = {"aiopg", "asyncpg", "pg8000", "pgqueuer", "psycopg", "psycopg2", "psycopg_pool"}
_OWN_SESSIONS = (
    "sqlalchemy.create_engine",
    "sqlalchemy.engine.create_engine",
    "sqlalchemy.ext.asyncio.",
    "sqlalchemy.ext.automap.",
    "sqlalchemy.orm.Session",
    "sqlalchemy.orm.object_session",
    "sqlalchemy.orm.scoped_session",
    "sqlalchemy.orm.sessionmaker",
    "sqlalchemy.orm.session.",
    "sqlalchemy.pool.",
)


def check_faces() -> Iterator[Violation]:
    """Find where a module uses what is the platform's own, or goes past it."""
    for source in read_sources():
        module = module_of(source.name)
        if module is None:
            continue
        is_test = source.name.split(".")[3:4] == ["tests"]
        for line, name in source.imports | source.reached:
            if name.startswith("app.platform") and (
                refused := _refused(name, TEST_FACES if is_test else FACES)
            ):
                yield Violation(source.path, line, refused)
            elif not is_test and _goes_past(name):
                yield Violation(
                    source.path,
                    line,
                    f"uses {name}, past the platform: no role is set there, and no time limit. Use "
                    "the Database and the Tx that the module is given.",
                )
        if not is_test:
            yield from _handles(source)


def _handles(source: Source) -> Iterator[Violation]:
    is_migration = source.name.split(".")[3:4] == ["migrations"]
    for line, name in source.handles:
        if not (is_migration and not name.startswith("_")):
            yield Violation(
                source.path,
                line,
                f"uses .{name}, behind what the platform hands out: it may speak as another module, "
                "or past the transaction. Use the methods of Tx, Reading and Database.",
            )


def _refused(name: str, faces: Mapping[str, frozenset[str]]) -> str | None:
    file, _, inside = name.removeprefix("app.platform").lstrip(".").partition(".")
    what = inside.partition(".")[0]
    if file in faces and (not what or what in faces[file]):
        return None
    if not file:
        return "imports app.platform as a whole. Import what you need from one of its faces."
    face = file if file in faces else _INSTEAD.get(file, "database")
    return (
        f"uses {name}, which is the platform's own. app.platform.{face} has for modules: "
        f"{', '.join(sorted(faces[face]))}. checks/faces.py lists them all."
    )


def _goes_past(name: str) -> bool:
    return name.partition(".")[0] in _DRIVERS or name.startswith(_OWN_SESSIONS)
