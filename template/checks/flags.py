"""Flags: each is described, asked for and short-lived."""

import ast
import itertools
import tomllib
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import NamedTuple

from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext

from app.platform.flags import FILE, Flag, FlagsError, read_flags, USER
from checks.source import MODULES, ROOT, Violation

_VALUES: tuple[str | float | bool, ...] = ("", 0, False)
"""One of each kind that an attribute may be."""
_USERS = [f"user-{number}" for number in range(100)]


class _Question(NamedTuple):
    """A call of `is_on` that names its flag."""

    file: str
    line: int
    flag: str
    told: frozenset[str] | None
    """What it says of whom it asks for; None where that cannot be read."""


def check_flags() -> Iterator[Violation]:
    """Find files that cannot be read, flags that do not exist, those nobody asks for, and calls that
    do not say what a flag's targeting speaks of."""
    for folder in _folders():
        where = str((folder / FILE).relative_to(ROOT))
        try:
            flags = _flags(folder)
        except FlagsError as error:
            yield Violation(where, 1, str(error))
            continue
        names = {flag.key.partition(".")[2]: flag for flag in flags}
        asked = list(_questions(folder))
        for question in asked:
            if question.flag not in names:
                yield Violation(
                    question.file,
                    question.line,
                    f"{folder.name} has no flag {question.flag!r}, so that it is always off. "
                    f"Define it in {folder.name}/{FILE}.",
                )
            elif question.told is not None:
                missing = names[question.flag].needs - question.told
                if missing:
                    yield Violation(question.file, question.line, _untold(question.flag, missing))
        for name in names.keys() - {question.flag for question in asked}:
            yield Violation(
                where,
                _line_of(folder, name),
                f"nothing in {folder.name} asks `is_on({name!r}, …)`. Take the flag out.",
            )
        for name, flag in names.items():
            if wrong := _wrong_targeting(flag):
                yield Violation(where, _line_of(folder, name), f"{name}: {wrong}")


def expired_flags(today: date) -> Iterator[Violation]:
    """Find those that should be gone. They break nothing: a date passes without a commit."""
    for folder in _folders():
        try:
            flags = _flags(folder)
        except FlagsError:
            continue
        for flag in flags:
            if flag.expires < today:
                name = flag.key.partition(".")[2]
                yield Violation(
                    str((folder / FILE).relative_to(ROOT)),
                    _line_of(folder, name),
                    f"{name} of {flag.owner} expired on {flag.expires}. Keep one of the two ways in "
                    "the code and take the flag out, or say until when it is still needed.",
                )


def _folders() -> list[Path]:
    return sorted(each.parent for each in MODULES.glob("*/module.toml"))


@cache
def _flags(folder: Path) -> list[Flag]:
    owner = tomllib.loads((folder / "module.toml").read_text("utf-8"))["owner"]
    return read_flags(folder, owner)


def _questions(folder: Path) -> Iterator[_Question]:
    """Find `….is_on("name", …)` in the module, its tests excepted."""
    for path in sorted(folder.rglob("*.py")):
        content = path.read_bytes()
        if b"is_on" in content and "tests" not in path.relative_to(folder).parts:
            for node in ast.walk(ast.parse(content)):
                match node:
                    case ast.Call(
                        func=ast.Attribute(attr="is_on"), args=[ast.Constant(value=str(name)), *_]
                    ):
                        file = str(path.relative_to(ROOT))
                        yield _Question(file, node.lineno, name, _told(node))


def _told(call: ast.Call) -> frozenset[str] | None:
    """Return what a call of `is_on` says of whom it asks for, but for what is None."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if None in given or any(isinstance(each, ast.Starred) for each in call.args):
        return None
    if call.args[1:]:
        given["user"] = call.args[1]
    known = (name for name, value in given.items() if name and not _is_none(value))
    return frozenset(USER if name == "user" else name for name in known)


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _untold(flag: str, missing: frozenset[str]) -> str:
    names = sorted("user" if name == USER else name for name in missing)
    return (
        f"asks for {flag!r} without {', '.join(names)}, of which its targeting speaks, so that it is "
        f"always off. Write `is_on({flag!r}, {', '.join(f'{name}=…' for name in names)})`, or give "
        'the `var` a default: `{"var": [name, default]}`.'
    )


def _wrong_targeting(flag: Flag) -> str | None:
    """Ask for a hundred users, of each of whom all is known, what a flag is; say what goes wrong."""
    core = FlagdCore()
    core.set_flags({"flags": {flag.key: dict(flag.definition)}})
    values = _VALUES if flag.needs - {USER} else _VALUES[:1]
    for value, user in itertools.product(values, _USERS):
        try:
            about = EvaluationContext(user, dict.fromkeys(flag.needs - {USER}, value))
            core.resolve_boolean_value(flag.key, False, about)
        except TypeError as error:
            if not flag.needs - {USER}:  # Otherwise it may be of another kind.
                return f"its targeting fails: {error}"
        except Exception as error:  # Whatever it is, it would make the flag off.
            return f"its targeting fails: {getattr(error, 'error_message', None) or error}"
    return None


def _line_of(folder: Path, name: str) -> int:
    lines = (folder / FILE).read_text("utf-8").splitlines()
    return next((number for number, line in enumerate(lines, 1) if f'"{name}"' in line), 1)
