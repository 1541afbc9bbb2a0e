"""A generated repository that reads from a real streaming replica."""

import shutil
from pathlib import Path

import pytest
from generated import ROOT, Repository

INSIDE = Path(__file__).parent / "reads"


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.name for path in INSIDE.glob("test_*.py")))
def test_reads_are_right_whatever_becomes_of_the_replica(shop: Repository, name: str) -> None:
    folder = shop.path / "tests" / "reads"
    folder.mkdir(exist_ok=True)
    (folder / "__init__.py").touch()
    for file in [*INSIDE.glob("*.py"), ROOT / "tests" / "replica.py"]:
        shutil.copy(file, folder)
    assert " passed" in shop.pytest(f"tests/reads/{name}").stdout
