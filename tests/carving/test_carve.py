"""The bill of the example, and what is said where there is none."""

import json
import re
import shutil
from pathlib import Path

import pytest
from helpers import git, tree

from scaffold.carving.bill import write
from scaffold.carving.changes import changes
from scaffold.carving.report import REASONS
from scaffold.deciding.answers import Reason

ROOT = Path(__file__).parents[2]
MODULES = "src/app/modules"
BREAKS = {
    f"{MODULES}/ordering/service.py": [
        "        await self._billing.charge(tx, owner, customer_id, order.id, order.total)",
        "        await self._billing.refund(tx, id)",
    ]
}
"""Checked by hand, and with mypy, after tx was taken out of the interface."""
CHANGE = ROOT / "tests/template/carved/carved.patch"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The example as it is generated, without what is of no use here."""
    root = tmp_path / "shop"
    shutil.copytree(ROOT / "template/src/app/platform", root / "src/app/platform")
    shutil.copytree(ROOT / "examples/shop", root / MODULES)
    (root / ".copier-answers.yml").write_text("_src_path: /x\n_commit: v1.0.0\n")
    (root / ".github/workflows").mkdir(parents=True)
    for name in (".github/workflows/ci.yml", "compose.yaml"):
        (root / name).touch()
    git(root, "init", "--quiet")
    return root


def lines_of(root: Path, file: str, wanted: list[str]) -> list[int]:
    lines = (root / file).read_text().splitlines()
    return [lines.index(each) + 1 for each in wanted]


def test_the_bill_of_billing_names_the_calls_of_ordering_that_break(example, run):
    before = tree(example)
    told = json.loads(run("carve", "billing", "--bill", "--json", "-C", str(example)).out)
    assert tree(example) == before
    assert (told["schema"], told["clean"], told["because"]) == (1, False, None)
    found = {}
    for call in told["calls"]:
        assert call["loses_atomicity"]
        assert call["certain"]
        assert call["loop"] is None
        found.setdefault(call["file"], []).append(call["line"])
    assert found == {file: lines_of(example, file, wanted) for file, wanted in BREAKS.items()}
    assert [call["does"] for call in told["calls"]] == [
        "writes and publishes OrderCharged",
        "writes",
    ]
    assert told["tests"] == []
    assert told["unused"] == ["record_payment"]
    assert told["values"] == []
    assert told["dependencies"] == {
        "needs": {"identity": "events"},
        "needed_by": {"ordering": "calls and events"},
        "circle": False,
    }
    assert [(each["event"], each["hearer"]) for each in told["events"]] == [
        ("identity.CustomerRegistered", "billing"),
        ("billing.OrderCharged", "ordering"),
    ]
    assert [table["not_replicated"] for table in told["goes"]["tables"]] == [[], []]
    assert told["goes"]["jobs"] == {"billing.audit_ledger": "0 3 * * *"}
    assert [each["what"] for each in told["operations"]] == [
        "service",
        "pipeline",
        "SLO",
        "alerts",
        "database",
    ]


def test_what_it_says_fits_a_screen_and_advises_against(example, run):
    done = run("carve", "billing", "--bill", "-C", str(example))
    assert (done.code, done.err) == (0, "")
    assert len(done.out.splitlines()) <= 40
    assert "\x1b" not in done.out
    assert "Do not carve billing" in done.out
    assert "scaffold decide" in done.out
    reasoned = run("carve", "billing", "--bill", "-C", str(example), "--because", "scaling").out
    assert len(reasoned.splitlines()) <= 45
    assert "2 things have to change" in reasoned
    assert "1. Take tx out of billing.charge" in reasoned
    assert "2. Take tx out of billing.refund" in reasoned


def test_after_the_change_that_it_suggests_the_bill_is_clean(example, run):
    git(example, "apply", str(CHANGE))
    found = write(example, "billing", None)
    assert [(each.method, each.joins, each.inside) for each in found.calls] == [
        ("charge", False, False),
        ("refund", False, False),
    ]
    assert changes(found) == []
    done = run("carve", "billing", "--bill", "--because", "partner", "-C", str(example))
    assert "The bill is clean: billing can be carved" in done.out
    told = run("carve", "billing", "--bill", "--because", "partner", "--json", "-C", str(example))
    assert json.loads(told.out)["clean"] is True


def test_calls_per_request_are_from_the_metrics(planted, run, tmp_path):
    metrics = tmp_path / "metrics"
    metrics.write_text(
        'boundary_calls_total{module="billing",method="charge",outcome="ok"} 30\n'
        'boundary_calls_total{module="billing",method="charge",outcome="refused"} 10\n'
        'boundary_calls_total{module="billing",method="refund",outcome="ok"} 0\n'
        'boundary_calls_total{module="catalog",method="reserve",outcome="ok"} 90\n'
        'http_server_requests_total{module="ordering",http_route="/orders"} 15\n'
        'http_server_requests_total{module="billing",http_route="/accounts"} 5\n'
    )
    asked = ("carve", "billing", "--bill", "-C", str(planted({})), "--metrics", str(metrics))
    assert json.loads(run(*asked, "--json").out)["per_request"] == {"charge": 2.0}
    assert "per request, its own routes included: charge 2" in run(*asked).out
    metrics.write_text('boundary_calls_total{module="billing",method="x",outcome="ok"} 30\n')
    assert json.loads(run(*asked, "--json").out)["per_request"] is None
    assert "no request or no call of it yet" in run(*asked).out


WRONG = {
    "no module": ("nope", lambda _: None, "there is no module 'nope' in .*: there are billing,"),
    "a folder": ("../billing", lambda _: None, "there is no module '../billing'"),
    "broken Python of a caller": (
        "billing",
        lambda m: (m / "ordering/routes.py").write_text("x = 1\ndef ("),
        r"ordering/routes.py, line 2, is no Python \(.*\); mend it",
    ),
    "broken Python of its own": (
        "billing",
        lambda m: (m / "billing/wiring.py").write_text("def ("),
        r"billing/wiring.py, line 1, is no Python",
    ),
    "a NUL": (
        "billing",
        lambda m: (m / "billing/jobs.py").write_bytes(b"x = '\0'"),
        r"billing/jobs.py.* is no Python",
    ),
    "no interface": (
        "billing",
        lambda m: (m / "billing/__init__.py").write_text(""),
        r"has no class Billing, .*class Billing\(Protocol\)",
    ),
    "no word of the interface": (
        "billing",
        lambda m: (m / "billing/wiring.py").write_text("def build(db): ..."),
        "build does not say which interface it returns",
    ),
    "no wiring": (
        "billing",
        lambda m: (m / "billing/wiring.py").unlink(),
        "wiring.py is missing",
    ),
    "no git": (
        "billing",
        lambda m: shutil.rmtree(m.parents[2] / ".git"),
        "is in no git repository",
    ),
}


@pytest.mark.parametrize(("name", "spoil", "said"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_billed_is_refused_in_a_sentence(
    planted, refused, monkeypatch, name, spoil, said
):
    root = planted({})
    spoil(root / MODULES)
    monkeypatch.chdir(root)
    assert re.search(said, refused("carve", name, "--bill"))


def test_elsewhere_there_is_nothing_to_carve(tmp_path, refused, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "not inside a generated repository" in refused("carve", "billing", "--bill")


def test_every_reason_of_decide_is_one_here():
    assert set(REASONS) == set(Reason)


def test_the_page_has_a_section_for_each_kind_of_change_and_names_the_file():
    page = (ROOT / "docs/carving.md").read_text()
    for kind in ("atomicity", "interface", "values", "errors", "dependencies", "chatty"):
        assert f'<a id="{kind}"></a>' in page
