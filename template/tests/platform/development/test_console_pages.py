"""How the console writes numbers and times."""

from datetime import datetime, timedelta, UTC

import pytest

from app.development.console.pages import ago, took


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.00004, "0.0 ms"),
        (0.0234, "23.4 ms"),
        (0.0999, "100 ms"),
        (0.25, "250 ms"),
        (1.5, "1.50 s"),
        (125, "2 min 5 s"),
    ],
)
def test_times_are_written_with_the_digits_that_matter(seconds: float, written: str) -> None:
    assert took(seconds) == written


def test_a_moment_is_told_from_now() -> None:
    assert ">2 min ago<" in ago(datetime.now(UTC) - timedelta(seconds=130))
    assert ">in 59 min<" in ago(datetime.now(UTC) + timedelta(seconds=3599))
