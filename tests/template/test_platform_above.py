"""The platform's tests, in a generated repository: the rooms that stand on others, and development."""

import pytest
from generated import Generate, Repository
from rooms import UPPER, run_rooms


@pytest.fixture(scope="module")
def shop(generate: Generate) -> Repository:
    """One that leaves nothing out."""
    return generate(deploy="both", catalog="backstage")


@pytest.mark.slow
@pytest.mark.parametrize("rooms", UPPER, ids=" ".join)
def test_the_upper_rooms_hold_what_they_promise(shop: Repository, rooms: tuple[str, ...]) -> None:
    run_rooms(shop, *rooms)
