"""Where the data of a module are that move to a database of their own, and how the stream between both
databases fares. A process that has OWN_DATABASE_URL asks both, with its ordinary logins."""

import asyncio
from collections.abc import Iterator

from prometheus_client import Metric

from app.platform.carving import End, read_facts, Slot, Standing, State
from app.platform.database import connect_straight
from app.platform.monitoring.gauges import counter, gauge
from app.platform.monitoring.gauges_database import Asked
from app.platform.settings import Settings
from app.platform.timeouts import GAUGE


class Carving(Asked[Standing]):
    """The state of the move, the same that `app carve status` says, and its stream."""

    what = "Where data are that move"
    pause = 15.0

    def __init__(self, settings: Settings, loop: asyncio.AbstractEventLoop, own_url: str) -> None:
        super().__init__(loop)
        self._module = settings.modules.strip()
        self._urls = settings.database_url, own_url

    async def _measure(self) -> Standing:
        module, (main_url, own_url) = self._module, self._urls
        main = End(False, main_url, main_url, "app metrics")
        own = End(True, own_url, own_url, "app metrics")
        try:
            for end in (main, own):
                end.session = await connect_straight(end.url, command_timeout=GAUGE)
            facts = await read_facts(main, own, module), await read_facts(own, main, module)
            return Standing(module, *facts)
        finally:
            for end in (main, own):
                if hasattr(end, "session"):
                    end.session.terminate()

    def _tell(self, measured: Standing) -> Iterator[Metric]:
        module, state = self._module, measured.state
        about = "Where the data of a module are, or go to: 1 for the state that holds."
        states = {(module, str(each)): each is state for each in State}
        yield gauge("carving_state", about, states, "state")
        slot, stream = measured.source.slot, measured.target.subscription
        if slot is not None:
            yield from self._tell_slot(slot)
        if stream is None:
            return
        about = "Whether the stream has lost its place: what it lacks is not there any more."
        yield gauge("carving_slot_lost", about, {module: slot is None or slot.is_lost})
        if stream.enabled:
            about = "Whether the stream between both databases runs."
            yield gauge("carving_stream_running", about, {module: stream.runs})
        about = "How often the stream has failed; it tries again."
        yield counter("carving_stream_errors", about, {module: stream.failed})

    def _tell_slot(self, slot: Slot) -> Iterator[Metric]:
        about = "What one database lacks of what the other has written."
        yield gauge("carving_lag_bytes", about, {self._module: slot.behind})
        about = "The log that Postgres keeps for the stream."
        yield gauge("carving_slot_retained_bytes", about, {self._module: slot.kept})
        if slot.safe_wal_size is not None:
            about = "What it keeps at most: max_slot_wal_keep_size."
            limit = slot.kept + slot.safe_wal_size
            yield gauge("carving_slot_limit_bytes", about, {self._module: limit})
