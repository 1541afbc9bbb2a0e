"""The platform's tests, run in a generated repository as its team runs them."""

import pytest
from generated import ROOT, Repository

TESTS = ROOT / "template" / "tests" / "platform"
PARTS = 4


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_the_platform_holds_what_it_promises(shop: Repository, part: int) -> None:
    """Many files at a time: to begin takes pytest longer than most of them take."""
    files = sorted(TESTS.glob("*/test_*.py"))[part::PARTS]
    done = shop.pytest(*(str(file.relative_to(ROOT / "template")) for file in files))
    assert " passed" in done.stdout
