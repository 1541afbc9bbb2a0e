"""What `moved.toml` may say, and what is said of it where it may not."""

from pathlib import Path
from types import ModuleType

import pytest

from app.platform.wiring.module_toml import WiringError
from app.platform.wiring.moved_toml import Move, moves_of, open_renames

RENAME = '[[moved]]\nrename = "billing"\nto = "invoicing"\non = 2026-11-30\n'
FINISH = '[[moved]]\nfinish = "billing"\non = 2026-12-14\n'
REMOVE = '[[moved]]\nremove = "reviews"\ndata = "archive"\non = 2026-12-15\n'


def read(folder: Path, said: str, *modules: str) -> list[Move]:
    (folder / "moved.toml").write_text(said)
    for module in modules:
        (folder / module).mkdir()
        (folder / module / "__init__.py").touch()
    package = ModuleType("somewhere")
    package.__path__ = [str(folder)]
    return moves_of(package)


def test_entries_are_known_by_what_they_say(tmp_path: Path) -> None:
    moves = read(tmp_path, RENAME + FINISH + REMOVE, "invoicing")
    assert [str(move) for move in moves] == [
        "rename billing to invoicing, 2026-11-30",
        "finish billing, 2026-12-14",
        "remove reviews, 2026-12-15",
    ]
    assert [move.is_archived for move in moves] == [False, False, True]


def test_without_the_file_nothing_has_moved(tmp_path: Path) -> None:
    package = ModuleType("somewhere")
    package.__path__ = [str(tmp_path)]
    assert moves_of(package) == []


def test_a_name_may_be_used_again_once_it_is_free(tmp_path: Path) -> None:
    back = '[[moved]]\nrename = "invoicing"\nto = "billing"\non = 2027-01-30\n'
    moves = read(tmp_path, RENAME + FINISH + back, "billing")
    assert open_renames(moves) == {"billing": moves[-1]}
    assert read(tmp_path, RENAME + FINISH + REMOVE, "invoicing", "reviews")


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ("moved = 1", r"nothing but entries that begin with \[\[moved\]\]"),
        ("[moved]\nrename = 'a'", r"nothing but entries that begin with \[\[moved\]\]"),
        (f"{RENAME}[[moves]]", "nothing but entries"),
        ("[[moved", "moved.toml is no TOML"),
        ("[[moved]]\nrenames = 'billing'", "entry 1 must have one of rename, finish, remove, and has r"),
        ("[[moved]]", "and has nothing"),
        (FINISH.replace("on =", "remove = 'a'\non ="), "entry 1 must have one of"),
        (RENAME.replace("to =", "too ="), "entry 1 does not say to"),
        (f"{RENAME}why = 'x'", "entry 1 has why, but beside rename it may only have on, to"),
        (RENAME.replace("2026-11-30", "'2026-11-30'"), "`on` as a date without quotation marks"),
        (RENAME.replace("2026-11-30", "2026-11-30T10:00:00"), "`on` as a date without"),
        (RENAME.replace("invoicing", "Invoicing"), "to = 'Invoicing', which is no name of a module"),
        (REMOVE.replace("archive", "keep"), """data = 'keep', but it is "drop" or "archive"."""),
        (FINISH, "finish = 'billing', but no entry above renames it"),
        (RENAME + FINISH + FINISH, "entry 3 says finish = 'billing', as another one does"),
        (RENAME + RENAME.replace("30", "29"), "entry 2 says rename = 'billing', but billing stands in"),
        (RENAME.replace("invoicing", "billing"), "'billing', and the same name behind `to`"),
        (
            RENAME + RENAME.replace("billing", "x").replace("invoicing", "billing").replace("x", "invoicing"),
            "entry 2 says rename = 'invoicing', which was billing: finish billing in an entry before",
        ),
        (RENAME + REMOVE.replace("reviews", "invoicing"), "finish billing in an entry before it"),
        (RENAME.replace("invoicing", "bills"), "renames billing to bills, but there is no module bills"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_one_sentence(tmp_path: Path, said: str, wrong: str) -> None:
    with pytest.raises(WiringError, match=wrong):
        read(tmp_path, said, "invoicing", "accounts")


def test_a_new_module_waits_until_its_name_is_free(tmp_path: Path) -> None:
    with pytest.raises(
        WiringError, match="billing is a module, but the name still stands in for inv"
    ):
        read(tmp_path, RENAME, "invoicing", "billing")
