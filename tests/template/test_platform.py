"""The platform's tests, in a generated repository; what stands higher up is in a file of its own."""

import pytest
from generated import Generate, Repository
from rooms import LOWER, ROOMS, UPPER, run_rooms


@pytest.fixture(scope="module")
def shop(generate: Generate) -> Repository:
    """One that leaves nothing out."""
    return generate(deploy="both", catalog="backstage")


@pytest.mark.slow
@pytest.mark.parametrize("rooms", LOWER, ids=" ".join)
def test_the_lower_rooms_hold_what_they_promise(shop: Repository, rooms: tuple[str, ...]) -> None:
    run_rooms(shop, *rooms)


def test_every_room_is_run_once() -> None:
    assert sorted(room for rooms in LOWER + UPPER for room in rooms) == sorted(ROOMS)
