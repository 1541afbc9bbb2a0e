"""What is said, and that the page about it says the same."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from ailing import TODAY
from generated import ROOT
from helpers import Run
from histories import edit

from scaffold.doctor import lifetimes
from scaffold.doctor.checks import CHECKS, OF_DATABASE
from scaffold.doctor.examining import choose, examine
from scaffold.doctor.report import as_dict, as_text

PAGE = (ROOT / "docs/doctor.md").read_text()


def test_the_page_has_a_section_for_each_check_and_for_no_other() -> None:
    sections = re.findall(
        r"^### (SC-\d+)\n\n\*\*(.+?)\*\* \((\w+)(; needs `--database`)?\)", PAGE, re.M
    )
    wanted = [
        (check.id, check.name, check.severity, "; needs `--database`" * (check.id in OF_DATABASE))
        for check in CHECKS
    ]
    assert sections == wanted


def test_json_has_the_keys_that_the_page_lists(shop: Path, run: Run) -> None:
    Path("docs/guide.md").unlink()
    edit("CODEOWNERS", "/src/app/modules/catalog/ @acme/team\n", "")
    result = run("doctor", "--json", "--fix")
    said = json.loads(result.out)
    listed = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (.*) \|$", PAGE, re.MULTILINE)
    keys = [(key, row) for names, row in listed for key in re.findall(r"`(\w+)`", names)]
    assert [key for key, _ in keys] == list(said)
    rows = dict(keys)
    for key, one in (
        ("template", said["template"]),
        ("findings", said["findings"][0]),
        ("fixed", said["fixed"][0]),
    ):
        plain = re.sub(r"\([^)]*\)", "", rows[key])
        inner = [name for name in re.findall(r"`(\w+)`", plain) if name != "scaffold"]
        assert inner == list(one), key
    assert said["schema"] == 1
    assert said["findings"][0]["docs"] == "docs/doctor.md#sc-010"
    assert said["fixed"] == [{"id": "SC-013", "files": ["CODEOWNERS"]}]


@pytest.mark.parametrize(
    ("source", "page"),
    [
        ("https://github.com/acme/t.git", "https://github.com/acme/t/blob/HEAD/docs/doctor.md"),
        ("git@github.com:acme/t.git", "https://github.com/acme/t/blob/HEAD/docs/doctor.md"),
        (
            "git+https://gitlab.acme.dev/a/b/t",
            "https://gitlab.acme.dev/a/b/t/-/blob/HEAD/docs/doctor.md",
        ),
        ("https://git.acme.dev/acme/t.git", "docs/doctor.md"),
        ("/srv/template", "docs/doctor.md"),
    ],
)
def test_links_lead_to_the_template_where_its_host_is_known(
    shop: Path, source: str, page: str, monkeypatch
) -> None:
    Path("docs/guide.md").unlink()
    done = examine(Path(), choose(["SC-010"], None), today=TODAY)
    answers = Path(".copier-answers.yml")
    answers.write_text(re.sub("_src_path: .*", f"_src_path: {source}", answers.read_text()))
    del done.seen.__dict__["app"]
    assert as_dict(done)["findings"][0]["docs"] == f"{page}#sc-010"


@pytest.mark.usefixtures("home")
def test_what_is_known_says_how_old_it_is(shop: Path, park: Path, run: Run) -> None:
    for file in shop.rglob(".copier-answers*.yml"):
        edit(str(file), str(park / "origin"), f"file://{park / 'origin'}")
    result = run("doctor")
    assert result.code == 0
    assert result.out.startswith("Nothing off the path (template v1.0.0).\nNot looked at (SC-001, ")
    assert run("doctor", "--fetch").code == 0
    done = examine(Path(), choose([], None))
    assert f"newest v1.0.0, as of {done.seen.today})." in as_text(done)
    done.seen.today += timedelta(days=45)
    assert "45 days ago: --fetch asks again" in as_text(done)


def test_an_old_table_of_lifetimes_says_so(shop: Path) -> None:
    late = lifetimes.TAKEN + timedelta(days=lifetimes.GOOD_FOR)
    assert "known as of" not in as_text(examine(Path(), choose([], None), today=late))
    late += timedelta(days=1)
    assert "known as of 2026-11-30" in as_text(examine(Path(), choose([], None), today=late))
