"""The platform's own tests, run inside a generated repository on its fixtures."""

import shutil
from pathlib import Path

import pytest
from generated import Generate, Repository

INSIDE = Path(__file__).parent / "inside"
PARTS = 4


@pytest.fixture(scope="module")
def shop(generate: Generate) -> Repository:
    """One that leaves nothing out."""
    return generate(deploy="both", catalog="backstage")


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_the_platform_holds_what_it_promises(shop: Repository, part: int) -> None:
    """Many files at a time: to begin takes pytest longer than most of them take."""
    tests = shop.path / "tests"
    for helper in INSIDE.glob("*.py"):
        if not helper.name.startswith("test_"):
            shutil.copy(helper, tests)
    targets = []
    for file in sorted(INSIDE.glob("test_*.py"))[part::PARTS]:
        targets.append(str(tests / file.name.replace("test_", "test_platform_")))
        shutil.copy(file, targets[-1])
    done = shop.pytest(*targets)
    assert " passed" in done.stdout
