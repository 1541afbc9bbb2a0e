"""What a run remembers for the next: how far it came."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from scaffold.errors import ScaffoldError
from scaffold.fleet import places
from scaffold.fleet.listing import Member
from scaffold.fleet.outcome import Outcome


class Memory:
    """What became of the members of a fleet, in a file of the cache.

    Args:
        given: what names the fleet.
    """

    def __init__(self, given: Sequence[str]) -> None:
        full = [each if "://" in each else str(Path(each).absolute()) for each in given]
        self.given = " ".join(given)
        self.file = places.home("runs", f"{places.key(json.dumps(full))}.json")
        self._done: dict[str, bool] = {}
        self._lock = Lock()

    def begin(self, members: Sequence[Member], only_failed: bool) -> list[Member]:
        """Forget the run before, or take up what it has not done."""
        self._done = {}
        if only_failed:
            try:
                said = json.loads(self.file.read_text("utf-8"))
                self._done = {str(name): bool(done) for name, done in said.items()}
            except FileNotFoundError:
                raise ScaffoldError(
                    f"no run over {self.given} is remembered; run it without --only failed"
                ) from None
            except (ValueError, AttributeError):
                raise ScaffoldError(
                    f"{self.file} cannot be read; run it without --only failed"
                ) from None
        self._write()
        return [each for each in members if not self._done.get(each.given)]

    def note(self, outcome: Outcome) -> None:
        """Remember what became of one."""
        with self._lock:
            self._done[outcome.given] = not outcome.is_open
            self._write()

    def _write(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        aside = self.file.with_suffix(f".{os.getpid()}")
        aside.write_text(json.dumps(self._done), "utf-8")
        aside.replace(self.file)
