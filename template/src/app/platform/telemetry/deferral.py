"""What is told of work that is over (its line, its numbers, its spans), a moment after it is over.

Then it is told together with what else has ended: for one after the other this takes a third of the
time that it takes in between, since the processor has code and data at hand. And nobody waits for it.
"""

import asyncio
import atexit
import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVarTuple

logger = logging.getLogger("app.signals")
Given = TypeVarTuple("Given")

_GATHER = 0.02
"""Seconds for which calls are gathered."""
_MOST = 50
"""Calls that are made in one go; then the loop looks after its requests."""


class Deferred:
    """Calls that are made in a moment, in no particular context.

    They are given numbers and texts rather than requests: what waits here is alive, and would be
    looked through by the garbage collector again and again.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[Callable[..., object], tuple[object, ...]]] = deque()
        self._users = 0
        self._is_called = False

    @contextmanager
    def on(self) -> Iterator[None]:
        """Defer calls while the block lasts; otherwise they are made at once."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            self._is_called = False  # The loop that was to call may end now.
            self.flush()

    def call(self, tell: Callable[[*Given], object], *given: *Given) -> None:
        """Make a call in a moment; at once where there is no event loop to make it."""
        loop = _running_loop() if self._users else None
        if loop is None:
            tell(*given)
            return
        self._waiting.append((tell, given))
        if not self._is_called:
            self._is_called = True
            loop.call_later(_GATHER, self._make, loop)

    def flush(self) -> None:
        """Make all calls that wait. Threads may do that, too: each call is made once."""
        while self._waiting:
            self._make_next()

    def _make(self, loop: asyncio.AbstractEventLoop) -> None:
        for _ in range(min(_MOST, len(self._waiting))):
            self._make_next()
        if self._waiting:
            loop.call_soon(self._make, loop)
        else:
            self._is_called = False

    def _make_next(self) -> None:
        try:
            tell, given = self._waiting.popleft()
        except IndexError:  # Another thread has made it.
            return
        try:
            tell(*given)
        except Exception:  # The others are to be told all the same.
            logger.exception("Something could not be told.")


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


deferred = Deferred()
"""Of this process."""
atexit.register(deferred.flush)
