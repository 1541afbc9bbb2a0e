"""`python -m checks.migrations BASE` refuses migrations that stop or break what is running.

While it is deployed, a release runs beside the one before it, on one database. So a migration may
neither hold a lock for long nor take away what the older release still uses. squawk knows most
statements that do, `standstill` the rest; they read the SQL of the migrations that are new since BASE
(of all, without one). What they write is held to the schema of their module once more, however it was
put together.

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

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import Script, ScriptDirectory

from checks.findings import Finding as Touched
from checks.history import Change, changes_since
from checks.scripts import Script as Sql
from checks.source import MODULES, ROOT, Violation
from checks.sql import why_refused
from checks.standstill import find_standstills, Finding
from checks.statements import read_statement, UnreadableError

_MIGRATION = re.compile(r"src/app/modules/(\w+)/migrations/[^/]+\.py")
_PARAMETER = re.compile(r"(?<!%)%\(\w+\)s")
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
_EXCLUDES = (
    "adding-exclusion-constraint",
    "EXCLUDE builds its index while nobody may write, and Postgres knows no NOT VALID for it. Make a new "
    "table that has it from the start, write both, and let a job copy the rows; or say in `allowed` how "
    "few there are.",
)
_INDEX_FIRST = (
    "Build the index before, `op.create_index(…, unique=True, if_not_exists=True, "
    "postgresql_concurrently=True)` in a migration of its own, and then add the constraint with USING "
    "INDEX."
)
_REMEDIES = {
    "adding-foreign-key-constraint": _VALIDATE_LATER,
    "adding-not-nullable-field": (
        "Add `CHECK (… IS NOT NULL)` as not valid, validate it in a later migration, and set "
        "NOT NULL in one after that, which then needs no scan."
    ),
    "adding-serial-primary-key-field": _INDEX_FIRST,
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
_SAID_BETTER = {
    "adding-foreign-key-constraint",
    "adding-serial-primary-key-field",
    "disallowed-unique-constraint",
}
"""Rules beside which `constraint-missing-not-valid` says nothing new."""


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
            written = _sql_of(script)
            sql += written
            yield from _foreign(written, module, path)
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


def _foreign(sql: str, module: str, path: str) -> Iterator[Violation]:
    """Find what reaches out of the schema of its module, or opens it. No allowance helps."""
    for statement in Sql(sql).statements:
        try:
            touched = read_statement(statement.text)
        except UnreadableError:
            continue  # `standstill` says so.
        for kind, values in touched.items():
            for value in values:
                refused = why_refused(module, Touched(1, kind, value))
                # `autocommit_block()` ends the transaction, too; what hides is for `checks.sql`.
                if refused and kind not in ("transaction", "unread"):
                    yield Violation(path, 1, refused)


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
    config.set_main_option("script_location", "app.platform.migrations:alembic")
    config.set_main_option("version_locations", (MODULES / module / "migrations").as_posix())
    config.set_main_option("path_separator", "newline")
    return list(ScriptDirectory.from_config(config).walk_revisions())[::-1]


def _sql_of(script: Script) -> str:
    """Return what the migration would send, as `alembic upgrade --sql` does."""
    written = StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": written}
    )
    context.impl.command_terminator = "\n;"  # A comment at the end would swallow it.
    with Operations.context(context):
        script.module.upgrade()
    # It leaves the parameters of UPDATE and the like as the driver would have them.
    return _PARAMETER.sub("$1", written.getvalue()).replace("%%", "%")


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
    lines, script = sql.splitlines(), Sql(sql)
    findings = [*find_standstills(script)]
    for each in found:
        line, column, rule = each["line"], each["column"], each["rule_name"]
        text = f"{each['message']} {_REMEDIES.get(rule, each['help'] or '')}"
        if script.is_false_alarm(rule, line, column):
            continue
        if rule == "constraint-missing-not-valid":
            if any((line, better) in at for better in _SAID_BETTER):
                continue
            if script.excludes(line, column):
                rule, text = _EXCLUDES
        findings.append(Finding(line, rule, f"{text} In: {lines[line].strip()}"))
    return findings


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
