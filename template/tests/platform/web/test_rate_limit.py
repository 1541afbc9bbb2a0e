"""Rates: how often one caller may ask."""

import pytest

from app.platform.web import rate_limit as module
from app.platform.web.rate_limit import Rates

from ..clock import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(1000.0)
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_a_burst_passes_and_then_the_rate_holds(clock: Clock) -> None:
    rates = Rates(per_second=2)
    assert [rates.wait("ada") for _ in range(20)] == [0] * 20
    assert rates.wait("ada") == pytest.approx(0.5)
    clock.now += 0.5
    assert rates.wait("ada") == 0
    assert rates.wait("ada") == pytest.approx(0.5)
    clock.now += 60
    assert [rates.wait("ada") for _ in range(20)] == [0] * 20


@pytest.mark.parametrize("seconds", [10.5, 14.3, 70.0, 3600.0])
def test_who_comes_less_often_than_the_rate_always_passes(clock: Clock, seconds: float) -> None:
    rates = Rates(per_second=1 / seconds)
    for _ in range(5):
        assert rates.wait("ada") == 0
        assert rates.wait("ada") == pytest.approx(seconds)
        clock.now += seconds * 1.001


def test_one_caller_does_not_use_up_what_another_has(clock: Clock) -> None:
    rates = Rates(per_second=1)
    while not rates.wait("ada"):
        pass
    assert rates.wait("bob") == 0


def test_only_so_many_callers_are_remembered(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 3)
    rates = Rates(per_second=1)
    for number in range(10):
        rates.wait(f"caller {number}")
    assert len(rates._due) == 3
