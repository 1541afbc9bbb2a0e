"""What is told of data that move to a database of their own."""

import asyncio
from dataclasses import replace

import pytest

from app.platform.carving.facts import Facts, Slot, Subscription
from app.platform.carving.states import Standing
from app.platform.database.gates import Gate
from app.platform.database.sides import Side
from app.platform.monitoring import gauges_carving
from app.platform.monitoring.gauges_carving import Carving
from app.platform.settings.settings import Settings

from ..looking import looked_at
from ..moving import Gates

SLOT = Slot(active=True, pid=1, wal_status="reserved", safe_wal_size=900, behind=10, kept=100)
STREAM = Subscription(oid=1, enabled=True, runs=True, failed=2, tables={"items": "r"})


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauges_carving, "GAUGE", 60.0)


def carving(settings: Settings) -> Carving:
    assert settings.own_database_url
    return Carving(settings, asyncio.get_running_loop(), settings.own_database_url)


async def state_of(settings: Settings) -> str:
    """Return the one state that is told, and that no stream is."""
    found = await looked_at(carving(settings))
    assert {name for name, *_ in found} == {"carving_state"}
    (state,) = (state for (_, _, state), value in found.items() if value)
    return state


async def test_its_login_learns_where_the_data_are(moving: Settings, gates: Gates) -> None:
    assert await state_of(moving) == "here"
    await gates.set(Side.MAIN, Gate.CLOSED)
    assert await state_of(moving) == "cutting"
    await gates.set(Side.OWN, Gate.OPEN)
    assert await state_of(moving) == "moved"
    await gates.set(Side.MAIN, Gate.OPEN)
    assert await state_of(moving) == "split"


async def test_what_cannot_be_asked_is_not_told(moving: Settings) -> None:
    away = moving.model_copy(update={"own_database_url": "postgresql://app@127.0.0.1:1/app"})
    assert await looked_at(carving(away)) == {}


async def told(settings: Settings, main: Facts, own: Facts) -> dict[str, float]:
    """Return what is told where it is so, but for the state."""
    looking = carving(settings)
    looking._measured = Standing("catalog", main, own)
    looking._next = float("inf")
    return {
        name: value
        for (name, *_), value in (await looked_at(looking)).items()
        if "state" not in name
    }


async def test_of_a_stream_it_is_told_how_it_fares(moving: Settings) -> None:
    main, own = Facts(None, False, {"items": False}), Facts(Gate.CLOSED, True, {"items": True})
    copied = replace(own, subscription=STREAM)
    published = replace(main, slot=SLOT)
    assert await told(moving, published, copied) == {
        "carving_lag_bytes": 10,
        "carving_slot_retained_bytes": 100,
        "carving_slot_limit_bytes": 1000,
        "carving_slot_lost": 0,
        "carving_stream_running": 1,
        "carving_stream_errors_total": 2,
    }
    lost = replace(SLOT, wal_status="lost", safe_wal_size=None)
    stopped = replace(own, subscription=replace(STREAM, runs=False))
    found = await told(moving, replace(main, slot=lost), stopped)
    assert (found["carving_slot_lost"], found["carving_stream_running"]) == (1, 0)
    assert "carving_slot_limit_bytes" not in found
    assert (await told(moving, main, copied))["carving_slot_lost"] == 1
