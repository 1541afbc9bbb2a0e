"""Files that are broken."""

from pathlib import Path

import pytest
from histories import commit

MARKED = "<<<<<<< yours\none = 1\n=======\none = 2\n>>>>>>> theirs\n"
MOVED = "src/app/modules/moved.toml"


@pytest.mark.parametrize(
    ("path", "before"),
    [
        ("Makefile", "help:\n"),
        ("src/app/one.py", ""),
        ("docs/guide.md", "# Guide\n"),
        ("a.yaml", ""),
    ],
)
def test_what_a_merge_left_is_an_error(shop: Path, look, path: str, before: str) -> None:
    Path(path).write_text(before + MARKED)
    commit()
    assert look("SC-011") == [f"{path} has a conflict that was not resolved"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("tests/test_markers.py", f'TEXT = """\n{MARKED}"""\n'),
        ("docs/other.md", f"~~~\n{MARKED}~~~\n"),
        ("a.txt", "<<<<<<< is what git writes\nand nothing else\n"),
        ("b.rst", "Heading\n=======\n\n>>>>>>> quoted\n"),
        ("c.patch", "+<<<<<<< yours\n+=======\n+>>>>>>> theirs\n"),
    ],
)
def test_a_file_that_speaks_of_conflicts_has_none(shop: Path, look, path: str, text: str) -> None:
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text(text)
    commit()
    assert look("SC-011") == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("pyproject.toml", "[project\n"),
        ("src/app/modules/catalog/module.toml", "owner = \n"),
        ("src/app/modules/catalog/flags.json", '{"flags": {}'),
        (".github/workflows/ci.yml", "on: [push\n"),
        (MOVED, "[[moved]\n"),
        (MOVED, '[[moved]]\nrename = "a"\n'),
        (MOVED, '[[moved]]\nrenamed = "a"\n'),
        (MOVED, "moved = 1\n"),
    ],
)
def test_files_that_cannot_be_read_are_told_in_one_sentence(
    shop: Path, look, path: str, text: str
) -> None:
    Path(path).write_text(text)
    (found,) = look("SC-012")
    assert found.startswith(path)
    assert "\n" not in found


def test_files_that_can_be_read_are_not_told(shop: Path, look) -> None:
    Path("src/app/modules/catalog/flags.json").write_text('{"flags": {}}')
    Path(MOVED).write_text(
        '[[moved]]\nrename = "a"\nto = "b"\non = 2026-11-30\n\n'
        '[[moved]]\nfinish = "a"\non = 2026-12-01\n\n[[moved]]\nremove = "b"\ndata = "drop"\n'
    )
    assert look("SC-012") == []


def test_a_conflict_is_told_once(shop: Path, all_found) -> None:
    Path("pyproject.toml").write_text(MARKED)
    assert [check.id for check, _ in all_found().findings] == ["SC-011"]
