"""The line that a module has in CODEOWNERS."""

from pathlib import Path

import pytest

from scaffold.codeowners import find, with_line
from scaffold.errors import ScaffoldError

FILE = Path("CODEOWNERS")


def add(content: bytes) -> bytes:
    return with_line(content, "src/app/modules/tax", "@acme/tax", FILE)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b"/src/app/modules/tax/ @acme/tax\n"),
        (b"* @acme\n", b"* @acme\n/src/app/modules/tax/ @acme/tax\n"),
        (b"* @acme", b"* @acme\n/src/app/modules/tax/ @acme/tax\n"),
        (b"* @acme\r\n", b"* @acme\r\n/src/app/modules/tax/ @acme/tax\r\n"),
        (b"a @b\r\n* @acme", b"a @b\r\n* @acme\r\n/src/app/modules/tax/ @acme/tax\r\n"),
        (b"\xff @acme\n", b"\xff @acme\n/src/app/modules/tax/ @acme/tax\n"),
    ],
)
def test_the_line_is_appended_and_nothing_else_changes(before, after):
    assert add(before) == after


@pytest.mark.parametrize(
    "line",
    [
        b"/src/app/modules/tax/ @acme/other\n",
        b"src/app/modules/tax @acme/tax # ours\n",
        b"/src/app/modules/tax/** @acme/tax\n",
    ],
)
def test_a_line_that_is_there_stays(line):
    assert add(line) == line


def test_a_commented_line_or_a_longer_name_does_not_count():
    before = b"# /src/app/modules/tax/ @acme\n/src/app/modules/ta/ @acme\n"
    assert add(before) == before + b"/src/app/modules/tax/ @acme/tax\n"


def test_the_line_goes_among_its_sorted_siblings():
    before = b"* @acme\r\n/src/app/modules/order/ @a\r\n\r\n/src/app/modules/zoo/ @a\r\nREADME @b"
    assert add(before) == before.replace(
        b"/src/app/modules/zoo", b"/src/app/modules/tax/ @acme/tax\r\n/src/app/modules/zoo"
    )


def test_a_merge_conflict_is_refused():
    with pytest.raises(ScaffoldError, match="merge conflict"):
        add(b"<<<<<<< HEAD\na @b\n=======\nc @d\n>>>>>>> other\n")


def test_the_file_is_found_where_the_team_moved_it(tmp_path):
    assert find(tmp_path) == tmp_path / "CODEOWNERS"
    (tmp_path / ".github").mkdir()
    (tmp_path / ".github" / "CODEOWNERS").write_text("")
    assert find(tmp_path) == tmp_path / ".github" / "CODEOWNERS"


def test_a_link_is_followed_so_that_it_stays_a_link(tmp_path):
    (tmp_path / "owners").write_text("")
    (tmp_path / "CODEOWNERS").symlink_to("owners")
    assert find(tmp_path) == tmp_path / "owners"
