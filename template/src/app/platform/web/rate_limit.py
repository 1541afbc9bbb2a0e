"""How often one caller may ask: the generic cell rate algorithm (ITU-T I.371)."""

import time
from collections import OrderedDict

_BURST = 10.0
"""Seconds' worth of requests that may come at once, and one at least."""
_MOST = 10_000
"""Callers that are remembered; the one not seen for longest is forgotten first."""


class Rates:
    """Counts requests in this process, by caller."""

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second
        self._burst = max(_BURST, self._interval)  # Or not even a first request would pass.
        self._due: OrderedDict[str, float] = OrderedDict()
        """When each caller's requests so far would have come if they had come evenly."""

    def wait(self, caller: str) -> float:
        """Count a request; return 0, or the seconds to wait where it is one too many."""
        now = time.monotonic()
        due = max(self._due.get(caller, 0.0), now)
        excess = due - now + self._interval - self._burst
        if excess > 0:
            return excess
        self._due[caller] = due + self._interval
        self._due.move_to_end(caller)
        if len(self._due) > _MOST:
            self._due.popitem(last=False)
        return 0.0
