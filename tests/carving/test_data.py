"""`scaffold carve --data` and `scaffold uncarve`: a database of its own, and all the way home."""

import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest
from carvable import CARVE
from helpers import git, in_child, tree
from histories import Template, commit, edit

from scaffold.carving.data import uncarve

ROOT = Path(__file__).parents[2]
SERVICE = "deploy/services/billing"
OVERLAYS = ("deploy/overlays/production", "deploy/overlays/staging")
TOML = "src/app/modules/billing/module.toml"
DATA = ("carve", "billing", "--data")
HOME = ("uncarve", "billing", "--data-are-home")


@pytest.fixture
def called(shop, run):
    """The repository, in which billing is a service that others call."""
    assert run(*CARVE).code == 0
    let_calls_go_over()
    return shop


def let_calls_go_over() -> None:
    for overlay in OVERLAYS:
        file = Path(overlay, "settings.env")
        file.write_text(re.sub(r"# Services run.*\nREMOTE_MODULES=\n", "", file.read_text()))
    commit("Let calls go over")


def test_a_service_gets_a_database_of_its_own_in_one_commit(called, run):
    head = git(called, "rev-parse", "HEAD")
    done = run(*DATA)
    assert done.code == 0, done.err
    assert git(called, "rev-parse", "HEAD^") == head
    assert git(called, "log", "-1", "--format=%s") == "Give billing a database of its own"
    assert not git(called, "status", "--porcelain")
    assert "\n        data: own\n" in Path(".copier-answers.yml").read_text()
    assert "parts/migrate, ../../parts/carve" in Path(SERVICE, "kustomization.yaml").read_text()
    compose = Path("compose.yaml").read_text()
    assert "command: [migrate, --own, --unless-ahead]" in compose
    assert "wal_level=logical" in compose
    assert "CREATE DATABASE" in Path("deploy/compose/services.sql").read_text()


def test_what_to_do_next_is_said_in_order(called, run):
    said = run(*DATA).out.partition("Next:")[2]
    wanted = [
        "deploy/compose/passwords.sh",
        'CREATE DATABASE "shop_billing"',
        "wal_level = logical",
        "own_database_url",
        "own_migration_database_url",
        "make deploy environment=staging",
        "kubectl scale deployment/billing-carve --replicas=1",
        "docker compose run --rm billing-carve look billing",
        "app carve copy billing",
        "app carve cut billing",
        "app carve confirm billing --archive",
        "app carve back billing",
        "scaffold uncarve billing",
    ]
    assert sorted(wanted, key=said.index) == wanted


def test_home_again_nothing_is_left_but_what_the_team_has_edited(shop, run):
    edit(TOML, 'depends_on = ["catalog"]', 'depends_on = [\n    "catalog",\n]')
    commit()
    before = tree(shop)
    assert run(*CARVE).code == 0
    let_calls_go_over()
    assert run(*DATA).code == 0
    edit("deploy/base/web.yaml", "minReadySeconds: 10", "minReadySeconds: 20")
    commit()
    head = git(shop, "rev-parse", "HEAD")
    done = run(*HOME)
    assert done.code == 0, done.err
    assert git(shop, "rev-parse", "HEAD^") == head
    edit("deploy/base/web.yaml", "minReadySeconds: 20", "minReadySeconds: 10")
    assert tree(shop) == before
    assert 'DROP DATABASE "shop_billing"' in done.out


def test_its_database_alone_is_taken_back_and_it_stays_a_service(called, run, refused):
    before = tree(called)
    run(*DATA)
    assert "bring them home first" in run(*DATA, "--undo").err
    assert run(*DATA, "--undo", "--data-are-home").code == 0
    assert tree(called) == before


def test_a_service_without_a_database_of_its_own_comes_home_as_well(shop, run):
    before = tree(shop)
    run(*CARVE)
    done = run("uncarve", "billing")
    assert done.code == 0
    assert tree(shop) == before
    assert "DROP DATABASE" not in done.out


def test_of_two_services_one_comes_home_and_the_other_keeps_its_database(shop, run):
    for name in ("billing", "catalog"):
        assert run("carve", name, "--because", "scaling").code == 0
    let_calls_go_over()
    assert run("carve", "catalog", "--data").code == 0
    before = tree(shop)
    assert run(*DATA).code == 0
    assert run(*HOME).code == 0
    assert not Path(SERVICE).exists()
    assert "parts/carve" in Path("deploy/services/catalog/kustomization.yaml").read_text()
    assert run(*CARVE).code == 0
    assert tree(shop) == before


def test_scripts_get_json_and_a_dry_run_writes_nothing(called, run):
    before = tree(called)
    told = json.loads(run(*DATA, "--json", "--dry-run").out)
    assert (told["services"], told["written"]) == (["billing"], False)
    assert f"{SERVICE}/kustomization.yaml" in told["files"]
    assert "+    data: own\n" in run(*DATA, "--dry-run").out.replace("        ", "    ")
    assert tree(called) == before
    run(*DATA)
    done = run("uncarve", "billing", "--json")
    told = json.loads(done.out)
    assert (done.code, told["written"]) == (1, False)
    assert told["next"][-1]["with"] == ["scaffold uncarve billing --data-are-home"]
    told = json.loads(run(*HOME, "--json", "--dry-run").out)
    assert (told["services"], told["written"]) == ([], False)
    assert f"{SERVICE}/settings.env" in told["gone"]


def test_while_nobody_knows_where_the_data_are_it_says_how_they_come_home(called, run):
    run(*DATA)
    before = tree(called)
    done = run("uncarve", "billing")
    assert (done.code, done.out) == (1, "")
    assert tree(called) == before
    wanted = [
        "in each environment, bring them home first",
        "app carve status billing",
        "app carve stop billing",
        "app carve back billing",
        "app carve stop billing\n  5.",
        "app carve copy billing --home",
        "app carve confirm billing --home",
        "scaffold uncarve billing --data-are-home",
    ]
    assert sorted(wanted, key=done.err.index) == wanted


def answers(shop: Path, printed: str, code: int = 0) -> None:
    """Let the repository's `app` say something of its databases."""
    file = shop / ".venv/bin/app"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\necho '{printed}' >&{2 if code else 1}\nexit {code}\n")
    file.chmod(0o755)


ASKED = [
    (
        '{"state": "moved"}',
        0,
        "the data of billing are not home: `app carve status billing` says moved",
    ),
    ('{"state": "copying"}', 0, "says copying"),
    ("app: no such host", 1, "cannot be asked: app: no such host; mend that"),
    ("{}", 0, "printed no JSON with a state"),
]


def test_databases_at_hand_are_asked_and_count_more_than_what_is_said(
    called, run, refused, monkeypatch
):
    run(*DATA)
    monkeypatch.setenv("OWN_MIGRATION_DATABASE_URL", "postgresql://a@b/c")
    assert re.search(r"cannot be asked: .*/app cannot be run", refused(*HOME))
    for printed, code, said in ASKED:
        answers(called, printed, code)
        done = run(*HOME)
        assert (done.code, done.out) == (1, "")
        assert said in done.err


def test_databases_that_say_home_are_believed(called, run, monkeypatch):
    run(*DATA)
    monkeypatch.setenv("OWN_DATABASE_URL", "postgresql://a@b/c")
    answers(called, '{"state": "here"}')
    assert run("uncarve", "billing").code == 0


def test_what_has_a_database_of_its_own_is_changed_by_uncarve_alone(called, run, refused):
    run(*DATA)
    assert "has a database of its own already" in refused(*DATA)
    assert "`scaffold uncarve billing` brings both home" in refused("carve", "billing", "--undo")
    for command in (
        ("rename-module", "billing", "bills"),
        ("remove-module", "billing", "--archive"),
        ("rename-module", "catalog", "products"),
    ):
        assert "`scaffold uncarve billing` first" in refused(*command)


def test_what_is_no_service_has_no_data_to_move(shop, refused):
    assert "is no service yet; `scaffold carve billing --because" in refused(*DATA)
    assert "has no database of its own" in refused(*DATA, "--undo")
    assert "is no service; there is nothing to undo" in refused("uncarve", "billing")


def test_data_stay_while_an_overlay_has_them_used_elsewhere(shop, run, refused):
    run(*CARVE)
    said = refused(*DATA)
    assert "production/settings.env has REMOTE_MODULES without billing" in said


def test_options_that_do_not_fit_are_wrong_usage(called, run):
    for given in ((*DATA, "--because", "scaling"), ("carve", "billing", "--data-are-home")):
        done = run(*given)
        assert (done.code, done.out) == (2, "")


def test_the_answer_is_found_again_and_what_the_template_changes_reaches_it(called, run):
    run(*DATA)
    before = Path(".copier-answers.yml").read_text()
    Path(".copier-answers.yml").unlink()
    assert run("adopt", "--from", str(called.parent / "origin"), "--yes").code == 0
    services = re.compile(r"^services:\n(?: .*\n)+", re.M)
    assert services.search(Path(".copier-answers.yml").read_text())[0] == services.search(before)[0]
    template = Template(called.parent / "origin")
    part = (template.root / "template/deploy/parts/carve/carve.yaml.jinja").read_text()
    template.write("deploy/parts/carve/carve.yaml.jinja", part.replace("20Gi", "30Gi"))
    template.release("v2.0.0")
    done = run("update")
    assert done.code == 0, done.err
    assert "30Gi" in Path("deploy/parts/carve/carve.yaml").read_text()


def test_a_template_that_knows_no_databases_of_services_is_too_old(called, refused):
    questions = (ROOT / "copier.yml").read_text()
    older = re.sub(r"^own_data:\n(?:  .*\n)+", "", questions, flags=re.MULTILINE)
    assert older != questions
    template = Template(called.parent / "origin")
    (template.root / "copier.yml").write_text(older)
    template.release("v0.9.0")
    edit(".copier-answers.yml", "_commit: v1.0.0", "_commit: v0.9.0")
    commit()
    assert "knows no services with a database of their own; update" in refused(*DATA)


def test_killed_while_it_is_written_it_is_as_before_or_as_after(called, run):
    run(*DATA)
    before, seen = tree(called), 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event == "subprocess.Popen":
            seen += bool(seen) or "pack-objects" in str(arguments)
            if seen == 3:
                os.killpg(0, signal.SIGKILL)

    def killed() -> None:
        os.setpgid(0, 0)
        sys.addaudithook(watch)
        uncarve(called, "billing", are_home=True)

    assert in_child(killed) == -signal.SIGKILL
    assert tree(called) == before
    assert not git(called, "status", "--porcelain")
    assert run(*HOME).code == 0
