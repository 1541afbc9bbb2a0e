"""`moved.toml`: what became of modules, in the order in which `app migrate` does it."""

import tomllib
from dataclasses import dataclass
from datetime import date, timedelta
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
        entries: what it says.
        open: new names of modules whose renames are not finished, by the old names.
    """

    content: bytes | None
    entries: list[dict[str, Any]]
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
    return Record(content, entries, names)


def check(record: Record, old: str, new: str) -> None:
    """Refuse a rename that a database could not do while another one is not finished."""
    for before, now in record.open.items():
        if now == old:
            back = ", or take the commit of that rename back" if new == before else ""
            raise ScaffoldError(
                f"{old} was {before}, and what stands in for that name is still there; deploy, "
                f"then `scaffold rename-module --finish {before}`, and deploy again{back}"
            )
    check_free(record, new)


def check_free(record: Record, name: str) -> None:
    """Refuse a name that still stands in for a module that was renamed."""
    if name in record.open:
        raise ScaffoldError(
            f"the name {name} still stands in for {record.open[name]}, which was renamed; finish "
            f"that first: `scaffold rename-module --finish {name}`"
        )


def renamed(record: Record, old: str, new: str, on: date) -> bytes:
    """The file with a rename behind all that is in it."""
    return _with(record, on, "rename", old, f'to = "{new}"\n').content or b""


def finished(record: Record, old: str, on: date) -> bytes:
    """The file with the end of a rename behind all that is in it.

    Raises:
        ScaffoldError: where there is nothing to finish.
    """
    if old not in record.open:
        there = ", ".join(f"{name} -> {now}" for name, now in record.open.items())
        also = f"not finished: {there}" if there else "all renames are finished, or there was none"
        raise ScaffoldError(f"no rename of {old!a} waits to be finished in {FILE}; {also}")
    return _with(record, on, "finish", old).content or b""


def removed(record: Record, name: str, data: str, on: date) -> bytes:
    """The file with a removal behind all that is in it; stand-ins for an old name go before."""
    for old in [old for old, new in record.open.items() if new == name]:
        record = _with(record, on, "finish", old)
    return _with(record, on, "remove", name, f'data = "{data}"\n').content or b""


def _with(record: Record, on: date, kind: str, name: str, more: str = "") -> Record:
    while any((each.get(kind), each.get("on")) == (name, on) for each in record.entries):
        on += timedelta(days=1)  # By kind, name and day a database knows whether it has done it.
    before = _HEAD if record.content is None else f"{record.content.decode().rstrip()}\n\n"
    content = f'{before}[[moved]]\n{kind} = "{name}"\n{more}on = {on.isoformat()}\n'.encode()
    return Record(content, [*record.entries, {kind: name, "on": on}], record.open)
