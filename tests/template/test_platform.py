"""The platform's own tests, run inside a generated repository on its fixtures."""

import shutil
from pathlib import Path

import pytest
from generated import Repository

INSIDE = Path(__file__).parent / "inside"


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.name for path in INSIDE.glob("test_*.py")))
def test_the_platform_holds_what_it_promises(shop: Repository, name: str) -> None:
    target = shop.path / "tests" / name.replace("test_", "test_platform_")
    shutil.copy(INSIDE / name, target)
    for helper in INSIDE.glob("*.py"):
        if not helper.name.startswith("test_"):
            shutil.copy(helper, shop.path / "tests")
    done = shop.pytest(str(target))
    assert " passed" in done.stdout
