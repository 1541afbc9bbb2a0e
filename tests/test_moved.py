"""What became of modules, as `app migrate` is told."""

import tomllib
from datetime import date

import pytest

from scaffold import moved
from scaffold.errors import ScaffoldError

DAY = date(2026, 12, 15)


def removed(content: bytes | None, name: str, data: str, on: date) -> bytes:
    return moved.removed(moved.read(content), name, data, on)


def test_the_first_entry_makes_the_file_and_the_next_is_put_behind_it():
    first = removed(None, "reviews", "archive", DAY)
    assert first.decode() == (
        "# What became of modules. `app migrate` does it, in this order, once in each database.\n"
        '[[moved]]\nremove = "reviews"\ndata = "archive"\non = 2026-12-15\n'
    )
    second = removed(first + b"\n\n", "votes", "drop", DAY)
    assert second.startswith(first + b"\n[[moved]]\n")
    assert [each["remove"] for each in tomllib.loads(second.decode())["moved"]] == [
        "reviews",
        "votes",
    ]


def test_what_stands_in_for_an_old_name_goes_first():
    before = b'[[moved]]\nrename = "ratings"\nto = "reviews"\non = 2026-11-30\n'
    after = tomllib.loads(removed(before, "reviews", "drop", DAY).decode())["moved"]
    assert after[1:] == [
        {"finish": "ratings", "on": DAY},
        {"remove": "reviews", "data": "drop", "on": DAY},
    ]
    done = before + b'[[moved]]\nfinish = "ratings"\non = 2026-12-01\n'
    assert len(tomllib.loads(removed(done, "reviews", "drop", DAY).decode())["moved"]) == 3


def test_a_name_that_was_used_again_has_its_own_rename_finished():
    before = (
        b'[[moved]]\nrename = "a"\nto = "b"\non = 2026-11-01\n[[moved]]\nfinish = "a"\non = 2026-11-02\n'
        b'[[moved]]\nrename = "a"\nto = "reviews"\non = 2026-11-03\n'
    )
    after = tomllib.loads(removed(before, "reviews", "drop", DAY).decode())["moved"]
    assert [each.get("finish") for each in after] == [None, "a", None, "a", None]


def test_two_removals_of_one_name_on_a_day_are_told_apart():
    """A database knows by kind, name and day what it has done already."""
    content = None
    for _ in range(3):
        content = removed(content, "reviews", "drop", DAY)
    days = [each["on"].day for each in tomllib.loads(content.decode())["moved"]]
    assert days == [15, 16, 17]


@pytest.mark.parametrize("broken", [b"[[moved", b"moved = 3\n", b"moved = [1]\n"])
def test_a_broken_file_is_refused(broken):
    with pytest.raises(ScaffoldError, match=r"moved\.toml.*mend it"):
        removed(broken, "reviews", "drop", DAY)
