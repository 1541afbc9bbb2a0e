"""Events: a module says what happened, and does not know who listens.

An event is a frozen dataclass in the publisher's package. Whoever listens says so in its own
`wiring.py`, as a `Handler` by event. Events are delivered inside the publisher's transaction, each
to its subscriber's view of it: what they do commits or fails together.
"""

import dataclasses
from collections.abc import Awaitable, Callable

from app.platform.database import Tx


class Event:
    """Base of all events: `@dataclass(frozen=True)`, values only."""


Handler = Callable[..., Awaitable[None]]
"""`async def open_ledger(tx: Tx, event: CustomerRegistered, billing: Billing)`: after the first two
come interfaces, found by type."""


class Events:
    """Where a module publishes. Ask for it in `build`: `events: Events`."""

    def __init__(self) -> None:
        self._subscribers: dict[type[Event], list[tuple[str, Handler]]] = {}

    async def publish(self, tx: Tx, event: Event) -> None:
        """Deliver an event to all who listen, inside the caller's transaction."""
        for module, handle in self._subscribers.get(type(event), ()):
            await handle(tx.of(module), event)

    def subscribe(self, module: str, event: type[Event], handle: Handler) -> None:
        """Let a module's handler hear of an event; `handle` takes `tx` and the event."""
        self._subscribers.setdefault(event, []).append((module, handle))


def is_frozen(event: type[Event]) -> bool:
    """Say whether an event cannot be changed on its way."""
    return dataclasses.is_dataclass(event) and bool(event.__dataclass_params__.frozen)
