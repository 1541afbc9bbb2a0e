"""What modules may use of the platform, and of the libraries under it."""

from collections.abc import Iterator, Mapping

from checks.source import module_of, read_sources, Source, Violation

FACES: Mapping[str, frozenset[str]] = {
    "auth": frozenset({"Caller", "needs", "Principal", "PUBLIC"}),
    "cache": frozenset({"Cache", "Cached"}),
    "database": frozenset(
        {
            "BoundaryError",
            "Database",
            "NAMING",
            "OutcomeUnknownError",
            "Prepared",
            "Reading",
            "TransactionError",
            "Tx",
        }
    ),
    "errors": frozenset(
        {"Conflict", "DomainError", "NotFound", "RemoteError", "Stale", "violated"}
    ),
    "flags": frozenset({"Flags"}),
    "jobs": frozenset({"Delivery", "Event", "Events", "job"}),
    "rest": frozenset({"IfMatch", "Page", "PageQuery", "problems"}),
    "telemetry": frozenset({"get_logger", "span"}),
    "wiring": frozenset({"idempotent", "Module"}),
}
"""By room of `app.platform`. What stands above the modules (`main`, `cli`) puts the platform together,
and may use whole faces."""
TEST_FACES: Mapping[str, frozenset[str]] = {
    **FACES,
    "settings": frozenset({"Settings"}),
    "wiring": frozenset({"idempotent", "Module", "ModuleFolder", "wire", "Wired"}),
}
"""For the tests of a module: its fixtures are wired from these."""
_DRIVERS = {"aiopg", "asyncpg", "pg8000", "pgqueuer", "psycopg", "psycopg2", "psycopg_pool"}
_HIDING = {"typing", "typing.Any", "typing.cast", "type: ignore"}
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
    room, _, inside = name.removeprefix("app.platform").lstrip(".").partition(".")
    what = inside.partition(".")[0]
    if room in faces and (not what or what in faces[room]):
        return None
    if not room:
        return "imports app.platform as a whole. Import what you need from one of its rooms."
    if room not in faces:
        return (
            f"uses {name}, which is the platform's own. Modules use the rooms "
            f"{', '.join(sorted(faces))}: checks/faces.py lists what they have."
        )
    return (
        f"uses {name}, which is the platform's own. app.platform.{room} has for modules: "
        f"{', '.join(sorted(faces[room]))}. checks/faces.py lists them all."
    )


def _goes_past(name: str) -> bool:
    return name.partition(".")[0] in _DRIVERS or name.startswith(_OWN_SESSIONS)


def check_wiring() -> Iterator[Violation]:
    """Find what hides from mypy whether an implementation in `wiring.py` fits its interface."""
    for source in read_sources():
        if source.name == f"app.modules.{module_of(source.name)}.wiring":
            for line, name in source.imports | source.reached:
                if name in _HIDING:
                    yield Violation(
                        source.path,
                        line,
                        f"{name} hides from mypy whether the implementation fits its interface. "
                        "Return it as it is, and correct what mypy says.",
                    )
