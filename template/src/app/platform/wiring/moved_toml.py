"""What `moved.toml`, beside the modules, says of those that were renamed or removed.

`app migrate` carries it out, entry by entry, once in each database. So entries stay, in their order.
"""

import pkgutil
import re
import tomllib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from app.platform.wiring.module_toml import WiringError

FILE = "moved.toml"
_KEYS = {"rename": {"to", "on"}, "finish": {"on"}, "remove": {"data", "on"}}
"""What an entry of each kind says besides."""
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Move:
    """One entry: what became of a module."""

    kind: str
    """`rename`; `finish`, which takes away what stood in for the old name; `remove`."""
    name: str
    on: date
    to: str = ""
    """What it is called since it was renamed."""
    is_archived: bool = False
    """Whether its data are kept where no module reads them, or dropped."""

    def __str__(self) -> str:
        """What it is known by in a database."""
        return f"{self.kind} {self.name}{f' to {self.to}' if self.to else ''}, {self.on}"


def moves_of(package: ModuleType) -> list[Move]:
    """Return what became of the modules of a package.

    Raises WiringError where that cannot be right, whatever a database holds.
    """
    modules = {info.name for info in pkgutil.iter_modules(package.__path__) if info.ispkg}
    moves = parse_moves(Path(next(iter(package.__path__))))
    _check(moves, modules)
    return moves


def parse_moves(folder: Path) -> list[Move]:
    """Read the file in a folder of modules; none where there is no such file. Raises WiringError."""
    try:
        said = tomllib.loads((folder / FILE).read_text("utf-8"))
    except FileNotFoundError:
        return []
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WiringError(f"{FILE} is no TOML: {error}.") from None
    entries = said.pop("moved", [])
    if said or not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise WiringError(f"{FILE} must have nothing but entries that begin with [[moved]].")
    return [_read(entry, number) for number, entry in enumerate(entries, 1)]


def open_renames(moves: Sequence[Move]) -> dict[str, Move]:
    """Return the renames that are not finished, by the new name."""
    finished = [move.name for move in moves if move.kind == "finish"]
    found: dict[str, Move] = {}
    for move in moves:
        if move.kind == "rename" and move.name not in finished:
            found[move.to] = move
        elif move.kind == "rename":
            finished.remove(move.name)  # The name may be taken, and given up, once more.
    return found


def _read(entry: dict[str, Any], number: int) -> Move:
    def wrong(what: str) -> WiringError:
        return WiringError(f"{FILE}: the entry {number} {what}.")

    kinds = _KEYS.keys() & entry.keys()
    if len(kinds) != 1:
        raise wrong(f"must have one of {', '.join(_KEYS)}, and has {', '.join(entry) or 'nothing'}")
    [kind] = kinds
    needed = _KEYS[kind]
    if missing := needed - entry.keys():
        raise wrong(f"does not say {', '.join(sorted(missing))}")
    if unknown := entry.keys() - needed - {kind}:
        raise wrong(
            f"has {', '.join(sorted(unknown))}, but beside {kind} it may only have "
            f"{', '.join(sorted(needed))}"
        )
    for key in {kind, "to"} & entry.keys():
        if not (isinstance(entry[key], str) and _NAME.fullmatch(entry[key])):
            raise wrong(f"has {key} = {entry[key]!r}, which is no name of a module")
    if not isinstance(entry["on"], date) or isinstance(entry["on"], datetime):
        raise wrong("must say `on` as a date without quotation marks, such as 2026-11-30")
    if entry.get("data", "drop") not in ("drop", "archive"):
        raise wrong(f'has data = {entry["data"]!r}, but it is "drop" or "archive"')
    archived = entry.get("data") == "archive"
    return Move(kind, entry[kind], entry["on"], entry.get("to", ""), archived)


def _check(moves: Sequence[Move], modules: Collection[str]) -> None:
    """Raise WiringError where entries contradict each other, or the modules that there are."""
    stands_for: dict[str, str] = {}
    expected: dict[str, Move] = {}
    for number, move in enumerate(moves, 1):
        where = f"{FILE}: the entry {number} says {move.kind} = {move.name!r}"
        if str(move) in map(str, moves[: number - 1]):
            raise WiringError(f"{where}, as another one does on the same day. Take one out.")
        if move.kind == "finish":
            if stands_for.pop(move.name, None) is None:
                raise WiringError(f"{where}, but no entry above renames it without finishing it.")
            continue
        for old, new in stands_for.items():
            if move.name == new:
                raise WiringError(f"{where}, which was {old}: finish {old} in an entry before it.")
            if old in (move.name, move.to):
                raise WiringError(
                    f"{where}, but {old} stands in for {new}: finish {old} before it."
                )
        if move.name == move.to:
            raise WiringError(f"{where}, and the same name behind `to`.")
        expected.pop(move.name, None)
        if move.kind == "rename":
            stands_for[move.name] = move.to
            expected[move.to] = move
    for old, new in stands_for.items():
        if old in modules:
            raise WiringError(
                f"{old} is a module, but the name still stands in for {new}, which was renamed. Give it "
                f"another name, or add `finish = {old!r}` to {FILE} and deploy that first."
            )
    for name, move in expected.items():
        if name not in modules:
            raise WiringError(
                f"{FILE} renames {move.name} to {name}, but there is no module {name}. Correct it, or "
                f"say what became of {name}."
            )
