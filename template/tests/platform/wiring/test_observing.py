"""What is told of calls between modules, and of jobs."""

from typing import Protocol

import pytest

from app.platform.telemetry.context import speaking
from app.platform.wiring.boundary import at_boundary
from app.platform.wiring.observing import observe_call


class Billing(Protocol):
    async def speaker(self) -> str: ...

    async def fail(self) -> None: ...

    def speaker_at_once(self) -> str: ...


class Service:
    async def speaker(self) -> str:
        return speaking.get()

    async def fail(self) -> None:
        raise ValueError(speaking.get())

    def speaker_at_once(self) -> str:
        return speaking.get()


async def test_a_module_speaks_while_its_methods_run() -> None:
    billing = at_boundary(Billing, Service(), "billing", observe_call)
    token = speaking.set("ordering")
    try:
        assert await billing.speaker() == billing.speaker_at_once() == "billing"
        with pytest.raises(ValueError, match="billing"):
            await billing.fail()
        assert speaking.get() == "ordering"
    finally:
        speaking.reset(token)
