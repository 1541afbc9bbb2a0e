"""`moved.toml`: what became of modules, in the order in which `app migrate` does it."""

import tomllib
from dataclasses import dataclass
from datetime import date
from typing import Any

from scaffold.errors import ScaffoldError
from scaffold.repository import MODULES

FILE = f"{MODULES.as_posix()}/moved.toml"
_HEAD = "# What became of modules. `app migrate` does it, in this order, once in each database.\n"


@dataclass(frozen=True)
class Record:
    """The file.

    Attributes:
        content: as it is; none where there is no such file.
        open: new names of modules whose renames are not finished, by the old names.
    """

    content: bytes | None
    open: dict[str, str]


def read(content: bytes | None) -> Record:
    """Read the file.

    Raises:
        ScaffoldError: where it is none, or says two things of one module.
    """
    try:
        entries: Any = tomllib.loads((content or b"").decode()).get("moved", [])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScaffoldError(f"{FILE} is no TOML ({error}); mend it") from None
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise ScaffoldError(f"{FILE}: moved must be a list of tables, [[moved]]; mend it")
    names: dict[str, str] = {}
    for entry in entries:
        old, new = str(entry.get("rename", "")), str(entry.get("to", ""))
        if old:
            if old in names:
                raise ScaffoldError(
                    f"{FILE} renames {old} to {names[old]} and to {new}, and neither is finished; "
                    "decide for one, and take the other entry out"
                )
            names[old] = new
        names.pop(str(entry.get("finish", "")), None)
    return Record(content, names)


def check(record: Record, old: str, new: str) -> None:
    """Refuse a rename that a database could not do while another one is not finished."""
    for before, now in record.open.items():
        if now == old:
            back = ", or take the commit of that rename back" if new == before else ""
            raise ScaffoldError(
                f"{old} was {before}, and what stands in for that name is still there; deploy, "
                f"then `scaffold rename-module --finish {before}`, and deploy again{back}"
            )
        if before == new:
            raise ScaffoldError(
                f"the name {new} still stands in for {now}, which was renamed; finish that first: "
                f"`scaffold rename-module --finish {before}`"
            )


def renamed(record: Record, old: str, new: str, on: date) -> bytes:
    """The file with a rename behind all that is in it."""
    return _with(record, f'rename = "{old}"\nto = "{new}"\n', on)


def finished(record: Record, old: str, on: date) -> bytes:
    """The file with the end of a rename behind all that is in it.

    Raises:
        ScaffoldError: where there is nothing to finish.
    """
    if old not in record.open:
        there = ", ".join(f"{name} -> {now}" for name, now in record.open.items())
        also = f"not finished: {there}" if there else "all renames are finished, or there was none"
        raise ScaffoldError(f"no rename of {old!a} waits to be finished in {FILE}; {also}")
    return _with(record, f'finish = "{old}"\n', on)


def _with(record: Record, lines: str, on: date) -> bytes:
    before = _HEAD if record.content is None else f"{record.content.decode().rstrip()}\n\n"
    return f"{before}[[moved]]\n{lines}on = {on.isoformat()}\n".encode()
