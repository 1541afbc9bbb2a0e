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
            return State.CUTTING
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
    State.SPLIT: "Stop the service now. Decide which side counts, and close the other one by hand.",
}


def faults(standing: Standing) -> Iterator[str]:
    """Yield what is wrong, each with what to do."""
    source, target, module = standing.source, standing.target, standing.module
    stream, slot = target.subscription, source.slot
    home = " --home" if source.is_own else ""
    again = f"`app carve stop {module}{home}`, then `app carve copy {module}{home}`"
    if standing.state is State.SPLIT:
        yield "Both databases are open for writes."
        return
    for side in (source, target):
        if side.is_open and side.has_fence:
            yield f"{_name(side).capitalize()} is open, and still refuses writes: run any command."
        if side.gate is Gate.CLOSED and not side.is_fenced:
            yield f"{_name(side).capitalize()} is closed, and tables have no fence: run `app migrate`."
    if standing.state is State.MOVED and stream is None:
        yield (
            f"There is no way back: nothing streams to {_name(target)}. `app carve copy {module} --home` "
            "makes one, `app carve confirm` does without."
        )
    if stream is None:
        if slot is not None and standing.state is not State.CUTTING:
            yield f"A slot keeps WAL in {_name(source)}, and nothing reads it: `app carve copy` or `stop`."
        return
    if slot is None:
        yield f"The slot of the stream is gone from {_name(source)}: {again}."
    elif slot.is_lost:
        yield f"{_name(source).capitalize()} has thrown away WAL that was not sent: {again}."
    elif slot.wal_status in ("extended", "unreserved"):
        yield (
            f"{_name(source).capitalize()} keeps {slot.kept:,} bytes of WAL for the stream, more than "
            "max_wal_size: see that it catches up, or stop it, before the disk is full."
        )
    if stream.enabled and not stream.runs:
        yield f"The stream does not run in {_name(target)}: its server's log says why."
    if not stream.enabled and standing.state is not State.CUTTING:
        yield f"The stream is disabled in {_name(target)}: run `app carve copy {module}{home}` again."
    if stream.failed:
        yield (
            f"The stream has failed {stream.failed} times in {_name(target)}; its server's log says why. "
            "If it does no more: pg_stat_reset_subscription_stats()."
        )
    unpublished = source.tables.keys() - (source.published or ())
    if source.published is not None and (new := _new(standing, unpublished)):
        yield f"New tables are not copied yet: {', '.join(new)}. `app carve copy {module}{home}` again."


def _new(standing: Standing, unpublished: set[str]) -> list[str]:
    streamed = standing.target.subscription.tables if standing.target.subscription else {}
    return sorted(unpublished - streamed.keys())


def _name(side: Facts) -> str:
    return "the own database" if side.is_own else "the main database"
