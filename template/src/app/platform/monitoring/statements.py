"""How long each module's SQL takes, for Prometheus: looked up in Postgres when it asks."""

import asyncio
import logging
import threading
import time
from collections.abc import Collection, Iterator, Mapping

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from app.platform import schemas
from app.platform.database import login_of, role_of
from app.platform.settings import Settings
from app.platform.telemetry import PLATFORM
from app.platform.timeouts import GAUGE, MARGIN

logger = logging.getLogger("app.metrics")

_PAUSE = 15.0
"""Seconds for which an answer counts; and at least so many times as long as it took."""
_SHARE = 20
_LONG_PAUSE = 60.0
"""Seconds until we ask again where Postgres keeps no statistics."""

Sums = tuple[float, float]
"""Seconds and calls."""


class Statements(Collector):
    """SQL time and calls by module; of the platform and of the login itself, as `platform`.

    Postgres forgets statements that are rare, and all when it is told to. What it sums up then is
    less than before, which Prometheus would take for a new beginning and count all of it once more;
    so what is told here is what was added from one answer to the next.
    """

    def __init__(
        self, settings: Settings, loop: asyncio.AbstractEventLoop, modules: Collection[str]
    ) -> None:
        self._url, self._loop = settings.database_url, loop
        self._login = login = login_of(settings.database_url)
        own = [
            login,
            *(
                role_of(login, name)
                for name in (schemas.STATEMENTS, schemas.QUEUE, schemas.REQUESTS)
            ),
        ]
        self._modules = dict.fromkeys(own, PLATFORM)
        """By role, whose it is."""
        self._modules.update((role_of(login, name), name) for name in modules)
        self._told: dict[str, Sums] = dict.fromkeys(self._modules.values(), (0.0, 0.0))
        self._before: Mapping[str, Sums] | None = None
        self._next = 0.0
        self._alone = threading.Lock()

    def describe(self) -> list[Metric]:
        """Say nothing. Without this, `collect` would be called when it is registered, in the loop."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Tell what was summed up; nothing where the database did not answer, or counts nothing."""
        with self._alone:  # Several may ask at once; who waits here finds the answer of the first.
            if time.monotonic() >= self._next:
                self._refresh()
            sums = {} if self._before is None else dict(self._told)
        seconds = CounterMetricFamily(
            "db_module_seconds",
            "Time that Postgres worked on statements, as it counts it.",
            labels=["module"],
        )
        calls = CounterMetricFamily(
            "db_module_calls", "Statements that Postgres executed.", labels=["module"]
        )
        for module, told in sorted(sums.items()):
            seconds.add_metric([module], told[0])
            calls.add_metric([module], told[1])
        yield from (seconds, calls)

    def _refresh(self) -> None:
        """Ask, in the event loop; this runs in a thread of the server."""
        from app.platform.query_stats import StatisticsError

        begun = time.monotonic()
        asked = asyncio.run_coroutine_threadsafe(self._measure(), self._loop)
        try:
            self._add(asked.result(GAUGE + MARGIN))
            pause = _PAUSE
        except StatisticsError as error:
            pause = _LONG_PAUSE
            if self._before is not None or self._next == 0:
                logger.info("No SQL time by module. %s", error)
            self._before = None
        except Exception as error:  # Whatever it is, the other metrics must be told.
            asked.cancel()
            self._before = None
            pause = _PAUSE
            logger.warning("SQL time could not be measured: %r", error)
        now = time.monotonic()
        self._next = now + max(pause, _SHARE * (now - begun))

    async def _measure(self) -> dict[str, Sums]:
        from app.platform.query_stats import connect_statistics, sums_by_role

        sums: dict[str, Sums] = dict.fromkeys(self._modules.values(), (0.0, 0.0))
        async with asyncio.timeout(GAUGE), connect_statistics(self._url) as connection:
            rows = await sums_by_role(connection, self._login)
        for row in rows:
            if module := self._modules.get(row["role"]):
                seconds, calls = sums[module]
                sums[module] = seconds + row["seconds"], calls + row["calls"]
        return sums

    def _add(self, measured: Mapping[str, Sums]) -> None:
        """Add what has grown since the last answer; the first is what later ones are compared with."""
        before, self._before = self._before or measured, measured
        for module, now in measured.items():
            pairs = zip(self._told[module], now, before[module], strict=True)
            seconds, calls = (told + max(now - then, 0.0) for told, now, then in pairs)
            self._told[module] = seconds, calls
