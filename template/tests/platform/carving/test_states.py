"""What follows from gates, tables and streams, whatever was killed when."""

from dataclasses import replace

import pytest

from app.platform.carving.facts import Facts, Slot, Subscription
from app.platform.carving.states import faults, NEXT, Standing, State
from app.platform.database import Gate

OPEN = Facts(Gate.OPEN, False, {"a": False})
CLOSED = Facts(Gate.CLOSED, True, {"a": True})
COPYING = Subscription(1, enabled=True, runs=True, failed=0, tables={"a": "d"})
COMPLETE = replace(COPYING, tables={"a": "r"})
SLOT = Slot(True, 7, "reserved", None, 0, 0)
SENDING = replace(OPEN, slot=SLOT, published=frozenset({"a"}))
MAIN_CLOSED, OWN_OPEN = replace(CLOSED, is_own=False), replace(OPEN, is_own=True)
OWN_SENDING = replace(SENDING, is_own=True)


@pytest.mark.parametrize(
    ("main", "own", "state"),
    [
        (Facts(None, False), Facts(None, True), State.HERE),
        (OPEN, CLOSED, State.HERE),
        (SENDING, CLOSED, State.COPYING),
        (SENDING, replace(CLOSED, subscription=COPYING), State.COPYING),
        (SENDING, replace(CLOSED, subscription=COMPLETE), State.STREAMING),
        (replace(SENDING, gate=Gate.CLOSING), CLOSED, State.CUTTING),
        (MAIN_CLOSED, CLOSED, State.CUTTING),
        (replace(MAIN_CLOSED, subscription=COMPLETE), OWN_SENDING, State.MOVED),
        (MAIN_CLOSED, OWN_OPEN, State.MOVED),
        (replace(MAIN_CLOSED, subscription=COPYING), OWN_SENDING, State.RETURNING),
        (Facts(Gate.AWAY, False), OWN_OPEN, State.CONFIRMED),
        (Facts(Gate.AWAY, False), Facts(None, True), State.UNKNOWN),
        (MAIN_CLOSED, Facts(None, True), State.UNKNOWN),
        (OPEN, OWN_OPEN, State.SPLIT),
        (OPEN, replace(OWN_OPEN, gate=Gate.CLOSING), State.SPLIT),
    ],
)
def test_a_state_follows_from_what_stands_in_both_databases(
    main: Facts, own: Facts, state: State
) -> None:
    standing = Standing("billing", main, own)
    assert standing.state is state
    assert NEXT[state].format("billing")


def test_of_two_closed_sides_the_stream_that_runs_says_which_was_open() -> None:
    back = replace(COMPLETE, enabled=False)
    main, own = replace(MAIN_CLOSED, subscription=back), replace(CLOSED, subscription=COMPLETE)
    assert Standing("billing", main, own).source is main
    main, own = replace(main, subscription=COMPLETE), replace(own, subscription=back)
    assert Standing("billing", main, own).source is own


@pytest.mark.parametrize(
    ("main", "stream", "said"),
    [
        (replace(SENDING, slot=None), COMPLETE, "The slot of the stream is gone"),
        (replace(SENDING, slot=replace(SLOT, wal_status="lost")), COMPLETE, "thrown away WAL"),
        (replace(SENDING, slot=replace(SLOT, wal_status="extended")), COMPLETE, "before the disk"),
        (SENDING, replace(COMPLETE, enabled=False), "is disabled"),
        (SENDING, replace(COMPLETE, runs=False), "does not run"),
        (SENDING, replace(COMPLETE, runs=False, failed=3), "has failed 3 times"),
        (replace(SENDING, tables={"a": False, "b": False}), COMPLETE, "not copied yet: b"),
        (replace(SENDING, tables={"a": True}), COMPLETE, "still refuses writes"),
    ],
)
def test_what_is_wrong_is_told(main: Facts, stream: Subscription, said: str) -> None:
    (fault,) = faults(Standing("billing", main, replace(CLOSED, subscription=stream)))
    assert said in fault.what


def test_nothing_is_wrong_with_a_stream_that_runs() -> None:
    assert not list(faults(Standing("billing", SENDING, replace(CLOSED, subscription=COMPLETE))))
