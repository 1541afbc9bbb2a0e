from scaffold.adopting.fit import compare
from scaffold.reader import File


def made(**files: str):
    return {name: File("100644", text.encode(), name) for name, text in files.items()}


def test_files_are_equal_edited_or_missing():
    found = compare(
        made(
            same="a\n",
            edited="1\n2\n3\n4\n",
            gone="x\n",
            other="y\n",
            **{".copier-answers.yml": "_commit: v1\n"},
        ),
        {"m/same": b"a\n", "m/edited": b"1\n2\nX\n4\n", "m/ours": b"z\n"},
        "m/",
        ["oth"],
    )
    assert (found.equal, found.edited, found.missing) == (1, {"m/edited": 0.75}, ["m/gone"])
    assert found.total == 3
    assert round(found.share, 2) == 0.58


def test_what_is_missing_counts_little_for_the_version_and_much_for_the_kind():
    whole, half = made(a="1\n"), made(a="1\n", b="2\n", c="3\n")
    here = {"a": b"1\n"}
    assert 0 < compare(whole, here).score - compare(half, here).score < 0.5
    assert compare(half, here).margin < 0 < compare(whole, here).margin


def test_an_empty_file_that_was_filled_is_edited():
    assert compare(made(a=""), {"a": b"x\n"}).edited == {"a": 0}
