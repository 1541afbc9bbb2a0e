"""What modules promise for requests, and how many requests keep to it.

A request counts for each module that takes part in it: the one whose route it is, and those that are
called on the way. One that fails counts against the module whose code raised what nobody expected, and
for no other: who calls a broken module is not to be woken for it. How long it took is a matter of the
module that was asked, but for what it waited for modules in other processes: that is a matter of theirs.
"""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from app.platform.telemetry import metrics

_LEAST = 0.9
"""Below, not even an outage would be failing enough for the alerts to tell within hours."""
_ANY = ""
"""Stands for all modules."""
_MOST = 60_000
"""Nobody waits longer."""


@dataclass(frozen=True)
class Objectives:
    """What a module promises: the table `[slo]` of its module.toml."""

    availability: float = 0.999
    """The share of requests that do not fail because of it."""
    latency_p99: float = 0.3
    """Seconds, within which 99 of 100 of its requests are answered."""


class ObjectivesError(ValueError):
    """Objectives that cannot be. The message says which, and what to write."""


def read_objectives(given: object) -> Objectives:
    """Return the objectives that a module.toml states; what it leaves out is as `Objectives` has it.

    Raises ObjectivesError.
    """
    if not isinstance(given, dict):
        raise ObjectivesError("slo is no table: write `[slo]`, and `availability = 0.999` below it")
    if unknown := given.keys() - {"availability", "latency_p99_ms"}:
        raise ObjectivesError(
            f"[slo] has {', '.join(sorted(unknown))}, but may only have availability and "
            "latency_p99_ms"
        )
    availability = given.get("availability", Objectives.availability)
    if not _is_number(availability) or not _LEAST <= availability < 1:
        raise ObjectivesError(
            f"[slo] availability = {availability!r} is not a share of requests from {_LEAST} to "
            "below 1: write 0.999 for 99.9 %"
        )
    milliseconds = given.get("latency_p99_ms", Objectives.latency_p99 * 1000)
    if not _is_number(milliseconds) or not 0 < milliseconds <= _MOST:
        raise ObjectivesError(
            f"[slo] latency_p99_ms = {milliseconds!r} is not a time from above 0 to {_MOST} ms: "
            "write 300"
        )
    return Objectives(float(availability), milliseconds / 1000)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class _Wait:
    """How long a request waits for other processes, however many of them at once."""

    __slots__ = ("running", "seconds", "since")

    def __init__(self) -> None:
        self.running, self.seconds, self.since = 0, 0.0, 0.0


class _Request:
    """Who takes part in a request, and who raised what it fails with, if it does."""

    __slots__ = ("culprit", "error", "has_written", "modules", "waits")

    def __init__(self) -> None:
        self.modules: set[str] = set()
        self.error: BaseException | None = None
        self.culprit: str | None = None
        self.has_written = False
        self.waits: dict[str, _Wait] = {}


_request: ContextVar[_Request | None] = ContextVar("request", default=None)


def begin_parts() -> None:
    """Let `take_part` speak of a new request from here on, in this task."""
    _request.set(_Request())


def take_part(module: str, error: BaseException | None) -> None:
    """Note that a module was called, and what it raised, unless that was to be expected."""
    if (request := _request.get()) is None:
        return
    request.modules.add(module)
    if error is None:
        return
    # The innermost module is told of first; others pass it on, or raise another because of it.
    known = request.error
    if known is None or (error is not known and error.__context__ is not known):
        request.error, request.culprit = error, module


def note_commit() -> None:
    """Note that a transaction of the request is committed, whatever becomes of the rest."""
    if (request := _request.get()) is not None:
        request.has_written = True


def has_written() -> bool:
    """Say whether the request has committed anything until now."""
    return (request := _request.get()) is not None and request.has_written


def parts() -> Collection[str]:
    """Return the modules that were called in the request."""
    return () if (request := _request.get()) is None else request.modules


@contextmanager
def waiting_for(module: str) -> Iterator[None]:
    """Note how long the request waits in the block for a module in another process."""
    request = _request.get()
    waits = (
        ()
        if request is None
        else [request.waits.setdefault(each, _Wait()) for each in (module, _ANY)]
    )
    for each in waits:
        if not each.running:
            each.since = time.perf_counter()
        each.running += 1
    try:
        yield
    finally:
        for each in waits:
            each.running -= 1
            if not each.running:
                each.seconds += time.perf_counter() - each.since


def waits() -> Mapping[str, float]:
    """Return how long the request has waited for modules in other processes, each and all of them."""
    if (request := _request.get()) is None:
        return {}
    return {module: each.seconds for module, each in request.waits.items()}


def culprit_of(error: BaseException | None) -> str | None:
    """Return the module that raised what a request failed with; None where it is the one asked.

    What a module raised and somebody caught is not to blame for what goes wrong later.
    """
    if (request := _request.get()) is None or request.error is None:
        return None
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop()
        if each is request.error:
            return request.culprit
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            waiting += (each.__cause__, each.__context__)
            if isinstance(each, BaseExceptionGroup):
                waiting += each.exceptions
    return None


class Promises:
    """Counts requests for the objectives of the modules; each count is there from the start, at 0."""

    def __init__(self, objectives: Mapping[str, Objectives]) -> None:
        self._latencies = {module: each.latency_p99 for module, each in objectives.items()}
        self._good, self._slow, self._failed = (
            {module: metrics.outcomes.labels(module, outcome) for module in objectives}
            for outcome in ("good", "slow", "failed")
        )

    def count_failed(self, culprit: str) -> None:
        """Count a request that failed because of a module."""
        if (meter := self._failed.get(culprit)) is not None:
            meter.inc()

    def count_answered(
        self, asked: str, seconds: float, others: Collection[str], waits: Mapping[str, float]
    ) -> None:
        """Count a request that did not fail, by the module that was asked and those that took part.

        Each is as slow as what was waited for it; the one that was asked, as the rest.
        """
        self._count_part(asked, seconds - waits.get(_ANY, 0))
        for module in others:
            if module != asked:
                self._count_part(module, waits.get(module, 0))

    def _count_part(self, module: str, seconds: float) -> None:
        is_slow = seconds > self._latencies.get(module, seconds)
        if (meter := (self._slow if is_slow else self._good).get(module)) is not None:
            meter.inc()
