"""What a process tells of itself while it runs: its log, and its metrics."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.gauges import Modules, Pools, Queue
from app.platform.logs import configure_logs
from app.platform.metrics_server import metrics_served
from app.platform.replica import Replica
from app.platform.settings import Settings
from app.platform.statements import Statements
from app.platform.wiring import ModuleFolder


class Signals:
    """Of one process: made as soon as it has its settings, so that all it logs is in its log."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._logs = configure_logs(settings)

    @asynccontextmanager
    async def running(
        self,
        folders: Sequence[ModuleFolder],
        jobs: Collection[str],
        engine: AsyncEngine,
        replica: Replica | None = None,
    ) -> AsyncIterator[None]:
        """Tell, while the block lasts, of these modules, jobs and pools as well."""
        names = [folder.name for folder in folders]
        pools = {"primary": engine} | ({"replica": replica.engine} if replica else {})
        loop = asyncio.get_running_loop()
        collectors = (
            Modules(folders),
            Pools(pools),
            Queue(self._settings, loop, names, jobs),
            Statements(self._settings, loop, names),
        )
        async with self._logs.running(names), metrics_served(self._settings, collectors):
            yield
