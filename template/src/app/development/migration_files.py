"""The files of migrations: what Python says of statements, under the names that Alembic gives them."""

import re
from datetime import datetime, timedelta, UTC
from pathlib import Path
from textwrap import wrap

from alembic.script import Script, ScriptDirectory

from app.development.migration_step import Migration, Step
from app.platform.migrations import config_of, explained
from app.platform.wiring import ModuleFolder

_FORMAT_WITH_RUFF = {
    "hooks": "ruff",
    "ruff.type": "module",
    "ruff.module": "ruff",
    "ruff.options": "format --quiet REVISION_SCRIPT_FILENAME",
}
_COMMIT = "pass  # Commits what came before: nobody waits for it while rows are looked at."
_MEANS_MORE = re.compile(r"(?<![:\w\\]):(?=\w+(?![:\w]))|\\(?=:\w*(?![:\w]))")
"""What `sqlalchemy.text` takes for the name of a parameter, or for a backslash before one."""
_QUOTED = re.compile(r"""('[^']*'|"[^"]*")""")


def write(folder: ModuleFolder, message: str, migrations: list[Migration]) -> list[Path]:
    """Write the files of new migrations, the first of which bears the message; return their paths."""
    config = config_of(folder)
    for name, value in _FORMAT_WITH_RUFF.items():
        config.set_section_option("post_write_hooks", name, value)
    files = []
    now = datetime.now(UTC)
    for number, migration in enumerate(migrations):
        with explained(folder):
            scripts = ScriptDirectory.from_config(config)
            taken = {each.revision for each in scripts.walk_revisions()}
            # A time, not a number: migrations from two branches stand side by side and both run.
            while (id := f"{now:%Y%m%d%H%M%S}") in taken:
                now += timedelta(seconds=1)
            script = scripts.generate_revision(
                id,
                message if number == 0 else f"{message}, beside the writes",
                head="heads",
                allowed=migration.up.allowed,
                upgrades=_as_python(migration.up),
                downgrades=_as_python(migration.down),
            )
        assert isinstance(script, Script)
        files.append(Path(script.path))
    return files


def _as_python(step: Step) -> str:
    lines = [line for doubt in step.doubts for line in _as_comment(doubt)]
    if step.beside or step.looks:
        lines.append("with op.get_context().autocommit_block():")
        lines += [f"    {_execute(each)}" for each in step.beside] or [f"    {_COMMIT}"]
    lines += map(_execute, [*step.looks, *step.within])
    return "\n    ".join(lines) or "pass"


def _as_comment(sentence: str) -> list[str]:
    return wrap(sentence, 95, initial_indent="# ", subsequent_indent="# ")


def _execute(statement: str) -> str:
    return f"op.execute({as_literal(statement)})"


def as_literal(statement: str) -> str:
    """Return the text in Python that `sqlalchemy.text` reads as a statement.

    Lines are indented, but for those within quotation marks, where each space counts.
    """
    escaped = _MEANS_MORE.sub(r"\\\g<0>", statement).replace("\\", "\\\\").replace("\r", "\\r")
    parts = _QUOTED.split(escaped)
    parts[1::2] = [part.replace("\n", "\\n") for part in parts[1::2]]
    lines = "".join(parts)
    if "\n" not in lines:
        return '"{}"'.format(lines.replace('"', '\\"'))
    lines = lines.replace('"""', '\\"\\"\\"').replace("\n", "\n        ")
    return f'"""\n        {lines}\n    """'
