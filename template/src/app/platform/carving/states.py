"""Where the data of a module are, and what is safe to do next.

Nothing here is remembered: it follows from the gates, publications, slots and subscriptions of both
databases. So it is right after any command was killed, too.

| state | what it means | what is safe |
|---|---|---|
| `here` | the main database takes the writes; nothing is copied | `look`, `copy` |
| `copying` | the main one takes the writes; tables are copied to the own one | wait; `copy` goes on with it, `stop` undoes it |
| `streaming` | the main one takes the writes; the own one follows, and has all | `cut`, `stop` |
| `cutting` | a cut is under way, or was killed: writes wait, and are refused in the end | any command brings it to an end; `status` says who is at it |
| `moved` | the own one takes the writes; the main one follows, or nothing does (see what is wrong) | `back`; `confirm` when the proof is equal |
| `confirmed` | the own one takes the writes; the main one has nothing of the module | `copy --home` |
| `returning` | the own one takes the writes; tables are copied to the main one | wait; `copy --home` goes on with it, `stop --home` undoes it |
| `unknown` | neither side takes writes, and it is no cut: one has no gate of the module, or does not answer | find the database that has its data; nothing is changed before |
| `split` | both take writes. It cannot come from these commands: somebody has changed gates by hand | stop the service; decide which side counts; see the runbook |
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from app.platform.carving.facts import Facts
from app.platform.database import Gate


class State(StrEnum):
    """Where the data of a module are."""

    HERE = "here"
    COPYING = "copying"
    STREAMING = "streaming"
    CUTTING = "cutting"
    MOVED = "moved"
    CONFIRMED = "confirmed"
    RETURNING = "returning"
    UNKNOWN = "unknown"
    SPLIT = "split"


@dataclass(frozen=True)
class Standing:
    """Both sides, and what follows from them."""

    module: str
    main: Facts
    own: Facts

    @property
    def open(self) -> Facts | None:
        """The side that takes the writes; None in the middle of a cut."""
        sides = [each for each in (self.main, self.own) if each.gate or not each.is_own]
        found = [each for each in sides if each.is_open and each.gate is not Gate.CLOSING]
        return found[0] if len(found) == 1 else None

    @property
    def source(self) -> Facts:
        """The side that takes the writes, or did before a cut that is under way."""
        if self.open is not None:
            return self.open
        if self.main.gate is Gate.CLOSING or self.own.gate is Gate.CLOSING:
            return self.main if self.main.gate is Gate.CLOSING else self.own
        # Both are closed: the stream that runs says where it was going to.
        is_from_own = self.main.subscription is not None and self.main.subscription.enabled
        return self.own if is_from_own else self.main

    @property
    def target(self) -> Facts:
        return self.own if self.source is self.main else self.main

    @property
    def state(self) -> State:
        if self.main.is_open and self.own.is_open:
            return State.SPLIT
        if self.open is None:
            known = (Gate.CLOSING, Gate.CLOSED)
            is_cut = self.main.gate in known and self.own.gate in known
            return State.CUTTING if is_cut else State.UNKNOWN
        stream = self.target.subscription
        if self.open is self.main:
            if stream is None and self.main.slot is None:
                return State.HERE
            return State.STREAMING if _is_complete(self.target) else State.COPYING
        if not self.main.tables or self.main.gate is Gate.AWAY:
            return State.CONFIRMED
        if stream is not None and not _is_complete(self.target):
            return State.RETURNING
        return State.MOVED


def _is_complete(target: Facts) -> bool:
    return target.subscription is not None and target.subscription.is_complete


NEXT = {
    State.HERE: "`app carve look {0}` says what is in the way, `app carve copy {0}` begins.",
    State.COPYING: "`app carve copy {0}` goes on and waits for it, `app carve stop {0}` undoes it.",
    State.STREAMING: "`app carve cut {0}` moves, `app carve stop {0}` undoes the copy.",
    State.CUTTING: "Any command brings it to an end: run `app carve cut {0}`, or back, again.",
    State.MOVED: "`app carve confirm {0}` drops what is left here, `app carve back {0}` returns.",
    State.CONFIRMED: "`app carve copy {0} --home` is the way back.",
    State.RETURNING: "`app carve copy {0} --home` goes on, `app carve stop {0} --home` undoes it.",
    State.UNKNOWN: "Find the database that has the data of {0}: OWN_MIGRATION_DATABASE_URL is to name it.",
    State.SPLIT: "Stop the service now. Decide which side counts, and close the other one by hand.",
}


@dataclass(frozen=True)
class Fault:
    """Something that is wrong, with what to do."""

    what: str
    blocks: bool = True
    """Whether there is no cut before it is mended."""


def faults(standing: Standing) -> Iterator[Fault]:
    """Yield what is wrong."""
    source, target, module = standing.source, standing.target, standing.module
    stream, slot = target.subscription, source.slot
    here, there = _name(source), _name(target)
    copy = f"`app carve copy {module}{' --home' if source.is_own else ''}`"
    again = f"{copy.replace('copy', 'stop')}, then {copy}"
    if standing.state is State.SPLIT:
        yield Fault("Both databases are open for writes.")
        return
    if standing.state is State.UNKNOWN:
        yield Fault("Neither database takes writes, and no cut is under way.")
        return
    for side in (source, target):
        if side.is_open and side.has_fence:
            yield Fault(
                f"{_name(side).capitalize()} is open, and still refuses writes: run any command."
            )
        if side.gate is Gate.CLOSED and not side.is_fenced:
            yield Fault(
                f"{_name(side).capitalize()} is closed, and has tables without a fence: run `app migrate"
                f"{' --own' if side.is_own else ''}`."
            )
    if stream is None:
        if standing.state is State.MOVED:
            yield Fault(
                f"There is no way back: nothing streams to {there}. {copy} makes one, `app carve confirm "
                f"{module}` does without."
            )
        if slot is not None and standing.state is not State.CUTTING:
            yield Fault(f"A slot keeps WAL in {here}, and nothing reads it: {copy}, or stop.")
        return
    if source.published is None:
        yield Fault(f"The publication of the stream is gone from {here}: {again}.")
    if slot is None:
        yield Fault(f"The slot of the stream is gone from {here}: {again}.")
    elif slot.is_lost:
        yield Fault(f"{here.capitalize()} has thrown away WAL that was not sent yet: {again}.")
    elif slot.wal_status in ("extended", "unreserved"):
        yield Fault(
            f"{here.capitalize()} keeps {slot.kept:,} bytes of WAL for the stream, more than max_wal_size: see that it "
            "catches up, or stop it, before the disk is full.",
            blocks=False,
        )
    if not stream.enabled and standing.state is not State.CUTTING:
        yield Fault(f"The stream is disabled in {there}: run {copy} again.")
    elif stream.enabled and not stream.runs:
        yield Fault(
            f"The stream does not run in {there}, and has failed {stream.failed} times: its server's log says "
            "why. It tries again."
        )
    if source.published is not None and (new := _new(standing)):
        yield Fault(f"New tables are not copied yet: {', '.join(new)}. Run {copy} again.")


def _new(standing: Standing) -> list[str]:
    source, stream = standing.source, standing.target.subscription
    known = (source.published or frozenset()) | (stream.tables.keys() if stream else set())
    return sorted(source.tables.keys() - known)


def _name(side: Facts) -> str:
    return "the own database" if side.is_own else "the main database"
