"""Events: a module says what happened, and does not know who listens.

An event is a frozen dataclass in the publisher's package. Whoever listens says so in its `wiring.py`,
with a `Handler` or a `Job`. It is one job for each subscriber, written in the publisher's transaction:
delivered after the commit, perhaps more than once; a subscriber's failure is not the publisher's.
"""

from collections.abc import Awaitable, Callable

from app.platform.database import Tx
from app.platform.jobs.jobs import BoundJob
from app.platform.jobs.queue import enqueue


class Event:
    """Base of all events: `@dataclass(frozen=True)`, values only."""


Handler = Callable[..., Awaitable[None]]
"""`async def open_ledger(tx: Tx, event: CustomerRegistered, billing: Billing)`: after the first two
come interfaces, found by type. Without `tx`, it has no transaction; see `jobs`."""


class Events:
    """Where a module publishes. Ask for it in `build`: `events: Events`."""

    def __init__(self) -> None:
        self._subscribers: dict[type[Event], list[BoundJob]] = {}

    async def publish(self, tx: Tx, event: Event) -> None:
        """Enqueue an event for all who listen, inside the caller's transaction."""
        if subscribers := self._subscribers.get(type(event)):
            jobs = [job.write(event) for job in subscribers]
            await enqueue(tx, jobs, f"publish {type(event).__name__}")

    def subscribe(self, event: type[Event], job: BoundJob) -> None:
        """Let a job hear of an event."""
        self._subscribers.setdefault(event, []).append(job)
