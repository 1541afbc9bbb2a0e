"""Who owns modules, what became of their names, which walls they pass."""

import json
from datetime import date
from pathlib import Path

import pytest
from histories import edit

MODULES = "src/app/modules"
CATALOG = f"{MODULES}/catalog"
RENAME = '[[moved]]\nrename = "orders"\nto = "ordering"\non = 2026-11-01\n'


def test_owners_that_agree_are_not_told(shop: Path, look) -> None:
    text = Path("CODEOWNERS").read_text()
    Path("CODEOWNERS").write_text(f"{text}\n/docs/ @acme/writers\n# /{MODULES}/gone/ @acme/x\n")
    assert look("SC-013") == []
    Path(".github/CODEOWNERS").write_text(text)
    Path("CODEOWNERS").unlink()
    assert look("SC-013") == []


def test_lines_that_are_missing_gone_or_say_otherwise_are_told(shop: Path, look) -> None:
    edit("CODEOWNERS", f"/{CATALOG}/ @acme/team\n", f"/{MODULES}/reviews/ @acme/team\n")
    edit("CODEOWNERS", "ordering/ @acme/team", "ordering/ @acme/orders")
    assert look("SC-013") == [
        "CODEOWNERS has no line of catalog and names reviews, which is gone",
        "CODEOWNERS gives ordering to @acme/orders, its module.toml to @acme/team",
    ]


def test_a_module_without_owner_has_no_line(shop: Path, look) -> None:
    Path(CATALOG, "module.toml").write_text("depends_on = []\n")
    edit("CODEOWNERS", f"/{CATALOG}/ @acme/team\n", "")
    assert look("SC-013") == []


@pytest.mark.parametrize(
    "later",
    [
        '[[moved]]\nfinish = "orders"\non = 2026-11-20\n',
        '[[moved]]\nremove = "ordering"\ndata = "drop"\non = 2026-11-20\n',
    ],
)
def test_renames_are_told_until_they_are_finished(shop: Path, look, later: str) -> None:
    Path(MODULES, "moved.toml").write_text(RENAME)
    assert look("SC-014", date(2026, 11, 10)) == []
    (found,) = look("SC-014", date(2026, 12, 1))
    assert found.startswith("orders was renamed to ordering 30 days ago")
    Path(MODULES, "moved.toml").write_text(f"{RENAME}\n{later}")
    assert look("SC-014") == []


def test_a_rename_of_a_rename_is_told_for_each_name(shop: Path, look) -> None:
    again = RENAME.replace('"ordering"', '"sales"').replace('"orders"', '"ordering"')
    finished = '[[moved]]\nfinish = "orders"\non = 2026-11-20\n'
    Path(MODULES, "moved.toml").write_text(f"{RENAME}\n{again}\n{finished}")
    assert [what.split(" 30")[0] for what in look("SC-014")] == ["ordering was renamed to sales"]


def test_exceptions_from_the_walls_are_told(shop: Path, look) -> None:
    Path(CATALOG, "reports.py").write_text(
        'text(f"SELECT {x}")  # sql: names come from our own list\n'
    )
    edit("pyproject.toml", '.metrics"]', '.metrics", "app.main -> app.modules.catalog.service"]')
    assert look("SC-015") == [
        f"SQL that the walls leave unread, for a reason that stands there: {CATALOG}/reports.py:1",
        "pyproject.toml excepts from “Rooms”: app.main -> app.modules.catalog.service",
    ]


def test_a_contract_that_is_gone_is_told(shop: Path, look) -> None:
    edit("pyproject.toml", 'name = "Rooms"', 'name = "Ours"')
    assert look("SC-015") == ["pyproject.toml has no contract “Rooms” any more"]


def test_what_is_no_exception_is_not_told(shop: Path, look) -> None:
    Path(CATALOG, "reports.py").write_text('"""Says # sql: in a text."""\n# sql\nX = "# sql: y"\n')
    Path(CATALOG, "tests/test_reports.py").write_text("x = 1  # sql: each in turn\n")
    Path(CATALOG, "broken.py").write_text("def (  # sql:")
    edit("pyproject.toml", "contracts = [", 'contracts = [\n    { name = "One more" },')
    assert look("SC-015") == []


def test_flags_are_told_from_the_day_after_their_last(shop: Path, look) -> None:
    flag = {"state": "ENABLED", "metadata": {"description": "x", "expires": "2026-12-01"}}
    Path(CATALOG, "flags.json").write_text(json.dumps({"flags": {"new_checkout": flag}}))
    assert look("SC-016", date(2026, 12, 1)) == []
    assert look("SC-016", date(2026, 12, 2)) == [
        "the flag catalog.new_checkout expired on 2026-12-01"
    ]


@pytest.mark.parametrize("text", ["[]", "{}", '{"flags": {"a": {}}}', '{"flags": []}', "{"])
def test_flags_that_are_malformed_are_for_make_flags(shop: Path, look, text: str) -> None:
    Path(CATALOG, "flags.json").write_text(text)
    assert look("SC-016") == []
