"""The line that a module has in CODEOWNERS."""

from pathlib import Path

import pytest

from scaffold.codeowners import find, owners_of, with_line
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


TAX = b"/src/app/modules/tax/ @acme/tax\n"


@pytest.mark.parametrize("head", [b"[Docs]", b"^[Docs]", b"[Docs][2] @acme/docs", b"^[My docs] @a"])
def test_without_siblings_the_line_goes_before_gitlabs_sections(head):
    before, section = b"* @acme\n", b"\n# Words.\n" + head + b"\n/docs/\n"
    assert add(before + section) == before + TAX + section
    assert add(head + b"\n/docs/\n") == TAX + head + b"\n/docs/\n"


def test_the_line_goes_behind_its_last_sibling_wherever_sections_are():
    first = b"* @acme\n/src/app/modules/order/ @a\n"
    section = b"\n[Docs]\n/docs/ @docs\n"
    assert add(first + section) == first + TAX + section
    inside = b"[Modules] @acme\n/src/app/modules/order/\n\n[Docs]\n/docs/\n"
    assert add(inside) == inside.replace(b"order/\n", b"order/\n" + TAX)
    scattered = b"[A]\n/src/app/modules/order/ @a\n[B]\n/src/app/modules/pay/ @b\n[C]\n/x/ @c\n"
    assert add(scattered) == scattered.replace(b"pay/ @b\n", b"pay/ @b\n" + TAX)


def test_what_only_looks_like_a_section_is_a_line():
    before = b"* @acme\n\\[x]/ @a\n# [Docs]\n"
    assert add(before) == before + TAX


def test_a_merge_conflict_is_refused():
    with pytest.raises(ScaffoldError, match="merge conflict"):
        add(b"<<<<<<< HEAD\na @b\n=======\nc @d\n>>>>>>> other\n")


def test_the_last_line_that_matches_says_who_owns_a_path():
    lines = (
        "* @acme/all\n/src/app/modules/ @acme/apps @ada # of modules\n/src/**/tax/ @acme/tax\n"
        "/src/app/modules/tax/\n[Docs] @acme/docs\ndocs @acme/docs\n\\ @acme/nobody\n"
    )
    paths = ["README.md", "src/app/modules/billing/jobs.py", "src/app/modules/tax/jobs.py"]
    assert list(owners_of(lines, paths).values()) == ["@acme/all", "@acme/apps", "@acme/tax"]
    assert owners_of("", paths[:1]) == {"README.md": ""}


def test_the_file_is_found_where_the_team_moved_it(tmp_path):
    assert find(tmp_path) == tmp_path / "CODEOWNERS"
    (tmp_path / ".github").mkdir()
    (tmp_path / ".github" / "CODEOWNERS").write_text("")
    assert find(tmp_path) == tmp_path / ".github" / "CODEOWNERS"


def test_a_link_is_followed_so_that_it_stays_a_link(tmp_path):
    (tmp_path / "owners").write_text("")
    (tmp_path / "CODEOWNERS").symlink_to("owners")
    assert find(tmp_path) == tmp_path / "owners"
