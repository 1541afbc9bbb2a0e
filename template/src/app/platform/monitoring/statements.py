"""How long each module's SQL takes, for Prometheus: looked up in Postgres when it asks."""

import asyncio
import logging
from collections.abc import Collection, Iterator, Mapping

from prometheus_client import Metric

from app.platform import schemas
from app.platform.database import login_of, role_of
from app.platform.monitoring.gauges import counter
from app.platform.monitoring.gauges_database import Asked
from app.platform.query_stats import connect_statistics, StatisticsError, sums_by_role
from app.platform.settings import Settings
from app.platform.telemetry import PLATFORM

logger = logging.getLogger("app.metrics")

Sums = tuple[float, float]
"""Seconds and calls."""
_OWN = (schemas.STATEMENTS, schemas.QUEUE, schemas.REQUESTS)


class Statements(Asked[Mapping[str, Sums]]):
    """SQL time and calls by module; of the platform and of the login itself, as `platform`.

    Postgres forgets rare statements, and all when it is told to. Prometheus would take the smaller sum
    for a new beginning; so what is told is what was added from one answer to the next.
    """

    what = "SQL time"
    pause = 15.0

    def __init__(
        self, settings: Settings, loop: asyncio.AbstractEventLoop, modules: Collection[str]
    ) -> None:
        super().__init__(loop)
        self._url = settings.database_url
        self._login = login = login_of(self._url)
        own = [login, *(role_of(login, name) for name in _OWN)]
        self._modules = dict.fromkeys(own, PLATFORM)
        """By role, whose it is."""
        self._modules.update((role_of(login, name), name) for name in modules)
        self._told: dict[str, Sums] = dict.fromkeys(self._modules.values(), (0.0, 0.0))
        self._before: Mapping[str, Sums] | None = None
        self._said = ""

    async def _measure(self) -> Mapping[str, Sums]:
        sums: dict[str, Sums] = dict.fromkeys(self._modules.values(), (0.0, 0.0))
        async with connect_statistics(self._url) as connection:
            rows = await sums_by_role(connection, self._login)
        for row in rows:
            if module := self._modules.get(row["role"]):
                seconds, calls = sums[module]
                sums[module] = seconds + row["seconds"], calls + row["calls"]
        return sums

    def _tell(self, measured: Mapping[str, Sums]) -> Iterator[Metric]:
        """Add what has grown since the last answer; the first is what later ones are compared with."""
        before, self._before, self._said = self._before or measured, measured, ""
        for module, now in measured.items():
            pairs = zip(self._told[module], now, before[module], strict=True)
            seconds, calls = (told + max(now - then, 0.0) for told, now, then in pairs)
            self._told[module] = seconds, calls
        told = sorted(self._told.items())
        yield counter(
            "db_module_seconds",
            "Time that Postgres worked on statements, as it counts it.",
            {module: seconds for module, (seconds, _) in told},
        )
        yield counter(
            "db_module_calls",
            "Statements that Postgres executed.",
            {module: calls for module, (_, calls) in told},
        )

    def _report(self, error: Exception) -> None:
        self._before = None
        if not isinstance(error, StatisticsError):
            super()._report(error)
        elif self._said != str(error):
            self._said = str(error)
            logger.info("No SQL time by module. %s", error)
