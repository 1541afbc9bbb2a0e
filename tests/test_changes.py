"""`template-changes.yaml`: what it may say, and what of it is new."""

import re
from pathlib import Path

import pytest

from scaffold.changes import FILE, Changes, read, since
from scaffold.errors import ScaffoldError


def entries(*moves: tuple[str, str], version: str = "unreleased") -> str:
    changes = "".join(f"    - {{move: '{old}', to: '{new}'}}\n" for old, new in moves)
    return f"- version: {version}\n  changes:\n{changes}"


def changes(*releases: str, known: str = "") -> Changes:
    return since(read("".join(releases).encode(), "new"), read(known.encode(), "old"))


def test_chains_compose_within_a_release_and_across_releases() -> None:
    first, second = entries(("a:A", "b:B"), ("b:B", "c:C")), entries(("c:C", "d:D"), version="2")
    assert changes(first, second).fate("a.A.x").name == "d.D.x"
    assert changes(first, second).fate("b.B").name == "d.D"
    assert changes(second, known=first).fate("a.A").name == "a.A"


def test_the_most_specific_entry_counts() -> None:
    both = entries(("a.old", "a.new"), ("a.old:f", "b:g"))
    assert changes(both).fate("a.old.f").name == "b.g"
    assert changes(both).fate("a.old.h").name == "a.new.h"
    assert changes(both).fate("a.older.h").name == "a.older.h"


def test_a_name_that_is_used_anew_is_not_taken_for_the_old_one() -> None:
    both = entries(("a:Event", "a:JobEvent"), ("a:Old", "a:Event"))
    assert changes(both).fate("a.Old").name == "a.Event"
    assert changes(both).fate("a.Event").name == "a.JobEvent"


def test_new_is_what_the_old_file_did_not_list_whatever_its_section_was_called() -> None:
    old = entries(("a:A", "b:A"))
    new = entries(("a:A", "b:A"), ("c:C", "d:C"), version="1.0.0")
    assert [str(each.place) for each in changes(new, known=old).all] == ["c:C"]
    assert not changes(new, known=new)


def test_what_went_and_came_back_and_went_again_counts_each_time() -> None:
    there, back = entries(("a:A", "b:A"), version="1"), entries(("b:A", "a:A"), version="2")
    again = entries(("a:A", "b:A"), version="3")
    assert changes(there, back, again, known=there).fate("a.A").name == "b.A"
    assert changes(there, back, again).fate("a.A").name == "b.A"
    assert changes(there, back).fate("a.A").name == "a.A"


def test_a_reason_that_is_worded_anew_is_no_new_entry() -> None:
    text = "- version: 1\n  changes: [{removed: 'a:A', because: Gone.}]\n"
    assert not changes(text.replace("Gone.", "It is gone."), known=text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no YAML"),
        ("a: b", "a list of releases"),
        ("- 1.0.0", "has a version and changes"),
        ("- {version: 1, changes: a}", "must be a list"),
        ("- {version: 1, changes: [{move: a}]}", "is none of"),
        ("- {version: 1, changes: [{move: a, to: b, because: c}]}", "is none of"),
        ("- {version: 1, changes: [{removed: a, because: ' '}]}", "needs a sentence"),
        ("- {version: 1, changes: [{removed: a b, because: c}]}", "is no place"),
        ("- {version: 1, changes: [{move: a, to: 'b:c'}]}", "cannot move to"),
        ("- {version: 1, changes: [{move: 'a:b', to: 'a:b.c'}]}", "cannot move to"),
        ("- {version: 1, changes: [{move: a, to: b}, {move: a, to: c}]}", "twice"),
        ("- {version: 1, changes: [{move: a, to: b}, {move: b, to: a}]}", "away and back"),
    ],
)
def test_what_cannot_be_understood_is_refused_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(ScaffoldError, match=re.escape(said)) as refused:
        read(text.encode(), "the file")
    assert str(refused.value).startswith("the file")
    assert "\n" not in str(refused.value)


def test_a_file_may_be_empty() -> None:
    assert read(b"# nothing yet\n", "") == []
    assert read(b"- version: unreleased\n  changes:\n", "")[0].changes == ()


def test_the_file_of_this_template_is_well_formed() -> None:
    file = Path(__file__).parents[1] / FILE
    assert read(file.read_bytes(), FILE)
