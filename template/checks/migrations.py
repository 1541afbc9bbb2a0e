"""`python -m checks.migrations BASE` refuses migrations that stop or break what is running.

While it is deployed, a release runs beside the one before it, on one database. So a migration may
neither hold a lock for long nor take away what the older release still uses. squawk knows which
statements do; it reads the SQL of the migrations that are new since BASE (of all, without one).

What is safe for a reason that SQL cannot show is allowed in the migration itself, by rule:
`allowed = {"ban-drop-column": "No release since 2026-10 reads or writes it."}`
"""

import json
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import Script, ScriptDirectory

from checks.history import Change, changes_since
from checks.source import MODULES, ROOT, Violation

_MIGRATION = re.compile(r"src/app/modules/(\w+)/migrations/[^/]+\.py")
_NEEDS_DATABASE = "needs-database"
"""A rule of ours: what runs only on a database can be read by nobody before."""
_IN_STEPS = (
    "Expand and contract, one release each: add the new one; write both and copy what is there; "
    "read the new one; drop the old one."
)
_DROP_LATER = (
    "Deploy a release whose code no longer mentions it, and drop it in the next one; say so in "
    "`allowed`."
)
_VALIDATE_LATER = (
    "Add it with `postgresql_not_valid=True`, and in a later migration execute "
    "`ALTER TABLE … VALIDATE CONSTRAINT …`, which does not stop writes."
)
_REMEDIES = {
    "adding-foreign-key-constraint": _VALIDATE_LATER,
    "adding-not-nullable-field": (
        "Add `CHECK (… IS NOT NULL)` as not valid, validate it in a later migration, and set "
        "NOT NULL in one after that, which then needs no scan."
    ),
    "adding-required-field": "Make it nullable, or give it a constant `server_default`.",
    "ban-drop-column": _DROP_LATER,
    "ban-drop-table": _DROP_LATER,
    "changing-column-type": _IN_STEPS,
    "constraint-missing-not-valid": _VALIDATE_LATER,
    "renaming-column": _IN_STEPS,
    "renaming-table": _IN_STEPS,
    "require-concurrent-index-creation": (
        "`with op.get_context().autocommit_block(): op.create_index(…, if_not_exists=True, "
        "postgresql_concurrently=True)`, in a migration of its own."
    ),
    "require-concurrent-index-deletion": (
        "`with op.get_context().autocommit_block(): op.drop_index(…, if_exists=True, "
        "postgresql_concurrently=True)`, in a migration of its own."
    ),
}
_SAID_BETTER = {"disallowed-unique-constraint", "adding-foreign-key-constraint"}
"""Rules beside which `constraint-missing-not-valid` says nothing new."""


class Finding(NamedTuple):
    """What squawk says of one statement."""

    line: int
    """In the SQL, from 0."""
    rule: str
    text: str


def check_migrations(base: str) -> Iterator[Violation]:
    """Find new migrations that are not safe, and old ones that were changed."""
    changed = changes_since(base)
    if changed is None:
        changed = _everything()
    files = {each.path: each for each in changed if _MIGRATION.fullmatch(each.path)}
    for change in files.values():
        yield from _rewritten(change)
    new = {path for path, change in files.items() if change.status == "A"}
    for module in sorted({Path(path).parts[3] for path in new}):
        yield from _unsafe(module, new)


def _everything() -> list[Change]:
    found = MODULES.glob("*/migrations/*.py")
    return [Change("A", path.relative_to(ROOT).as_posix()) for path in found]


def _rewritten(change: Change) -> Iterator[Violation]:
    """Find what databases have run already, and will not run again."""
    if change.status == "A" or not (MODULES / Path(change.path).parts[3]).is_dir():
        return  # A module may leave as a whole.
    what = "was removed" if change.status == "D" else "was changed"
    yield Violation(
        change.path,
        1,
        f"{what}, but databases may have run it and will not do so again. Restore it "
        "(git checkout), and write a new migration: app make-migration.",
    )


def _unsafe(module: str, new: Iterable[str]) -> Iterator[Violation]:
    """Check the new migrations of one module together: a table that one makes is new to the next."""
    sql = "BEGIN;\n"
    begins: list[tuple[int, Script, str]] = []
    for script in _scripts(module):
        path = Path(script.path).relative_to(ROOT).as_posix()
        if path not in new:
            continue
        begins.append((sql.count("\n"), script, path))
        try:
            sql += _sql_of(script)
        except Exception as error:  # Whatever a migration raises that finds no database.
            text = (
                f"cannot be written as SQL without a database ({type(error).__name__}: {error}). "
                "Say it in SQL, with op.execute, and move large data in a job."
            )
            yield from _refused(script, path, [Finding(0, _NEEDS_DATABASE, text)])
            begins.pop()
    findings = _squawk(sql + "COMMIT;\n", f"{module}.sql")
    ends = [line for line, _, _ in begins[1:]] + [sys.maxsize]
    for (begin, script, path), end in zip(begins, ends, strict=False):
        own = [each for each in findings if begin <= each.line < end]
        yield from _refused(script, path, own)


def _refused(script: Script, path: str, findings: list[Finding]) -> Iterator[Violation]:
    """Leave out what the migration allows; refuse what it allows without need or reason."""
    allowed = getattr(script.module, "allowed", {})
    if not isinstance(allowed, dict):
        yield Violation(path, 1, 'allows what is no mapping: allowed = {"RULE": "REASON"}')
        return
    for each in findings:
        if each.rule not in allowed:
            yield Violation(path, 1, f"{each.rule}: {each.text}")
    for rule in allowed.keys() - {each.rule for each in findings}:
        yield Violation(path, 1, f"allows {rule}, which it does not need. Take it out.")
    for rule, reason in allowed.items():
        if not str(reason).strip():
            yield Violation(path, 1, f"allows {rule} without a reason. Write one.")


def _scripts(module: str) -> list[Script]:
    """Return the migrations of a module, oldest first."""
    config = Config()
    config.set_main_option("script_location", "app.platform:alembic")
    config.set_main_option("version_locations", (MODULES / module / "migrations").as_posix())
    config.set_main_option("path_separator", "newline")
    return list(ScriptDirectory.from_config(config).walk_revisions())[::-1]


def _sql_of(script: Script) -> str:
    """Return what the migration would send, as `alembic upgrade --sql` does."""
    written = StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": written}
    )
    with Operations.context(context):
        script.module.upgrade()
    return written.getvalue()


def _squawk(sql: str, name: str) -> list[Finding]:
    """Let squawk read SQL, by the rules in `.squawk.toml`."""
    done = subprocess.run(
        [
            Path(sysconfig.get_path("scripts")) / "squawk",
            "--reporter",
            "json",
            "--stdin-filepath",
            name,
        ],
        cwd=ROOT,
        input=sql,
        capture_output=True,
        text=True,
    )
    try:
        found = json.loads(done.stdout)
    except ValueError:
        raise SystemExit(f"squawk failed: {done.stderr.strip() or done.stdout}") from None
    at = {(each["line"], each["rule_name"]) for each in found}
    lines = sql.splitlines()
    return [
        Finding(
            each["line"],
            each["rule_name"],
            f"{each['message']} {_REMEDIES.get(each['rule_name'], each['help'] or '')} "
            f"In: {lines[each['line']].strip()}",
        )
        for each in found
        if each["rule_name"] != "constraint-missing-not-valid"
        or not any((each["line"], better) in at for better in _SAID_BETTER)
    ]


def main(base: str) -> None:
    """Print every violation; exit with 1 if there is one."""
    violations = sorted(set(check_migrations(base)))
    for violation in violations:
        print(violation)
    if violations:
        print('To allow one, write in that file why it is safe: allowed = {"RULE": "REASON"}')
    sys.exit(bool(violations))


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]))
