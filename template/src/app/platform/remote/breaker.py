"""Leaves alone for a while what failed several times in a row."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

R = TypeVar("R")


class OpenError(Exception):
    """What was to be called is left alone, for so many seconds more."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Breaker:
    """Counts failures of one method, and refuses its calls for a while when there were too many.

    Then one call at a time tries. One that is cancelled says nothing, and one that began before the
    last change counts for nothing.
    """

    def __init__(
        self,
        failures: int,
        pause: float,
        is_failure: Callable[[Exception], bool | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`is_failure` says of an error whether it is a failure, or an answer; None for neither."""
        self._most, self._pause, self._is_failure, self._clock = failures, pause, is_failure, clock
        self._failed = 0
        self._until: float | None = None
        self._is_probed = False
        self._turn = 0

    @property
    def is_open(self) -> bool:
        """Whether it refuses calls, or lets one try."""
        return self._until is not None

    async def call(self, function: Callable[[], Awaitable[R]]) -> R:
        """Call the function. Raises OpenError where that is left alone, or what the function raises."""
        is_probe = self._until is not None
        if self._until is not None:
            wait = self._until - self._clock()
            if wait > 0 or self._is_probed:
                raise OpenError(max(wait, 1.0))
            self._is_probed = True
        turn = self._turn
        try:
            result = await function()
        except Exception as error:  # CancelledError is none.
            if turn == self._turn and (fails := self._is_failure(error)) is not None:
                self._fail(is_probe) if fails else self._answer(is_probe)
            raise
        else:
            if turn == self._turn:
                self._answer(is_probe)
            return result
        finally:
            if is_probe:
                self._is_probed = False

    def _fail(self, is_probe: bool) -> None:
        self._failed += 1
        if is_probe or self._failed >= self._most:
            self._until, self._turn = self._clock() + self._pause, self._turn + 1

    def _answer(self, is_probe: bool) -> None:
        self._failed = 0
        if is_probe:
            self._until, self._turn = None, self._turn + 1
