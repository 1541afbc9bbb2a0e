"""The data of a module move between real servers on which streams may run, and are killed on the way."""

import shutil
from pathlib import Path

import pytest
from generated import ROOT, Repository

INSIDE = Path(__file__).parent / "moving"


@pytest.mark.data
@pytest.mark.parametrize("name", sorted(path.name for path in INSIDE.glob("test_*.py")))
def test_data_move_whatever_becomes_of_the_command(shop: Repository, name: str) -> None:
    folder = shop.path / "tests" / "moving"
    folder.mkdir(exist_ok=True)
    (folder / "__init__.py").touch()
    for file in [*INSIDE.glob("*.py"), ROOT / "tests" / "replica.py"]:
        shutil.copy(file, folder)
    assert " passed" in shop.pytest(f"tests/moving/{name}").stdout
