import tomllib
from datetime import date

import pytest
import yaml

from scaffold.errors import ScaffoldError
from scaffold.removing import records

DAY = date(2026, 12, 15)


def test_the_first_entry_makes_the_file_and_the_next_is_put_behind_it():
    first = records.moved(None, "reviews", "archive", DAY)
    assert first.decode() == (
        "# What became of modules. `app migrate` does it, in this order, once in each database.\n"
        '[[moved]]\nremove = "reviews"\ndata = "archive"\non = 2026-12-15\n'
    )
    second = records.moved(first + b"\n\n", "votes", "drop", DAY)
    assert second.startswith(first + b"\n[[moved]]\n")
    assert [each["remove"] for each in tomllib.loads(second.decode())["moved"]] == [
        "reviews",
        "votes",
    ]


def test_what_stands_in_for_an_old_name_goes_first():
    before = b'[[moved]]\nrename = "ratings"\nto = "reviews"\non = 2026-11-30\n'
    after = tomllib.loads(records.moved(before, "reviews", "drop", DAY).decode())["moved"]
    assert after[1:] == [
        {"finish": "ratings", "on": DAY},
        {"remove": "reviews", "data": "drop", "on": DAY},
    ]
    done = before + b'[[moved]]\nfinish = "ratings"\non = 2026-12-01\n'
    assert len(tomllib.loads(records.moved(done, "reviews", "drop", DAY).decode())["moved"]) == 3


def test_a_name_that_was_used_again_has_its_own_rename_finished():
    before = (
        b'[[moved]]\nrename = "a"\nto = "b"\non = 2026-11-01\n[[moved]]\nfinish = "a"\non = 2026-11-02\n'
        b'[[moved]]\nrename = "a"\nto = "reviews"\non = 2026-11-03\n'
    )
    after = tomllib.loads(records.moved(before, "reviews", "drop", DAY).decode())["moved"]
    assert [each.get("finish") for each in after] == [None, "a", None, "a", None]


def test_two_removals_of_one_name_on_a_day_are_told_apart():
    """A database knows by kind, name and day what it has done already."""
    content = None
    for _ in range(3):
        content = records.moved(content, "reviews", "drop", DAY)
    days = [each["on"].day for each in tomllib.loads(content.decode())["moved"]]
    assert days == [15, 16, 17]


@pytest.mark.parametrize("broken", [b"[[moved", b"moved = 3\n", b"moved = [1]\n"])
def test_a_broken_file_is_refused(broken):
    with pytest.raises(ScaffoldError, match=r"moved\.toml.*mend it"):
        records.moved(broken, "reviews", "drop", DAY)


@pytest.mark.parametrize(
    ("listed", "left"),
    [
        ("modules:\n- catalog\n- reviews\n", "modules:\n- catalog\n"),
        ("modules:\n  - reviews\n  - catalog\n", "modules:\n- catalog\n"),
        ("modules: [catalog, reviews]\n", "modules:\n- catalog\n"),
        ("modules:\n- reviews\n", "modules: []\n"),
        ("modules:\n- catalog\n", "modules:\n- catalog\n"),
        ("modules: []\n", "modules: []\n"),
    ],
)  # fmt: skip
def test_the_answer_goes_and_the_rest_stays(listed, left):
    rest = "# Do not edit.\n_commit: v1\ndescription: modules of reviews\n{}owner: '@a/b'\n"
    assert records.answers(rest.format(listed).encode(), "reviews").decode() == rest.format(left)


def test_what_others_were_made_with_follows():
    path = "src/app/modules/ordering/.copier-answers.module.yml"
    one = (
        b'_commit: "v1"\ndepends_on: {"reviews": "Reviews", "catalog": "Catalog"}\nowner: "@a/b"\n'
    )
    many = b"depends_on:\n  catalog: Catalog\n  reviews: Reviews\nowner: a\n"
    for content in (one, many):
        (after,) = records.dependencies({path: content, "other.yml": content}, "reviews").values()
        expected = {**yaml.safe_load(content), "depends_on": {"catalog": "Catalog"}}
        assert yaml.safe_load(after) == expected
    assert records.dependencies({path: one}, "billing") == {}
