"""`scaffold carve`: what a repository gets, that it can be taken back, and what is refused.

The template is a tiny one with the real `deploy/` and `compose.yaml` (tests/carvable.py).
"""

import json
import os
import re
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest
from carvable import CARVE
from helpers import git, in_child, tree
from histories import Template, commit, edit

from scaffold.carving.carve import carve
from scaffold.carving.records import with_services, without_services

ROOT = Path(__file__).parents[2]
SERVICE = "deploy/services/billing"
STAGING = "deploy/overlays/staging"
TOML = "src/app/modules/billing/module.toml"


def test_a_module_with_a_clean_bill_is_carved_in_one_commit(shop, run):
    head = git(shop, "rev-parse", "HEAD")
    done = run(*CARVE)
    assert done.code == 0, done.err
    assert git(shop, "rev-parse", "HEAD^") == head
    assert git(shop, "log", "-1", "--format=%s") == "Carve billing: a deployment of its own"
    assert not git(shop, "status", "--porcelain")
    assert (shop / TOML).read_text().endswith('\n\n[service]\nbecause = "scaling"\n')
    settings = (shop / SERVICE / "settings.env").read_text()
    assert "\nMODULES=billing\n" in settings
    assert "\nREMOTE_MODULES=catalog=http://web\n" in settings
    assert f"/{SERVICE}/ @acme/payments\n" in (shop / "CODEOWNERS").read_text()
    assert (shop / STAGING / "settings.env").read_text().endswith("\nREMOTE_MODULES=\n")
    assert "billing-worker:" in (shop / "compose.yaml").read_text()


def test_what_to_do_next_is_said_in_order(shop, run):
    said = run(*CARVE).out.partition("Next:")[2]
    wanted = [
        "make test remote=billing",
        "deploy/compose/passwords.sh",
        'CREATE ROLE "shop_billing"',
        "shop/billing-app: database_url",
        "REMOTE_MODULES= make up",
        "without REMOTE_MODULES in the overlay's settings.env",
        "scaffold uncarve billing",
    ]
    assert sorted(wanted, key=said.index) == wanted


def test_undo_gives_back_every_byte(shop, run):
    before = tree(shop)
    for name in ("catalog", "billing"):  # Not as they are sorted.
        assert run("carve", name, "--because", "isolation").code == 0
    for name in ("catalog", "billing"):
        assert tree(shop) != before
        assert run("carve", name, "--undo").code == 0
    assert tree(shop) == before
    assert not git(shop, "status", "--porcelain")


def test_what_the_proxy_sends_elsewhere_comes_back_before_that_is_taken_away(shop, run):
    run(*CARVE)
    said = run("carve", "billing", "--undo").out
    wanted = ["send /billing to 127.0.0.1:8000 again", "--remove-orphans", "DROP ROLE"]
    assert sorted(wanted, key=said.index) == wanted


def test_undo_gives_back_every_byte_once_calls_have_gone_over(shop, run):
    before = tree(shop)
    run(*CARVE)
    for name in ("staging", "production"):
        file = shop / "deploy/overlays" / name / "settings.env"
        file.write_text(re.sub(r"# Services run beside.*\nREMOTE_MODULES=\n", "", file.read_text()))
    commit("Let calls go over")
    assert run("carve", "billing", "--undo").code == 0
    assert tree(shop) == before


def test_edits_of_others_are_kept_both_ways(shop, run):
    edit("deploy/base/web.yaml", "minReadySeconds: 10", "minReadySeconds: 20")
    edit("compose.yaml", "shm_size: 128mb", "shm_size: 256mb")
    commit()
    before = tree(shop)
    run(*CARVE)
    assert "minReadySeconds: 20" in (shop / "deploy/base/web.yaml").read_text()
    run("carve", "billing", "--undo")
    assert tree(shop) == before


def test_a_dry_run_shows_the_diff_and_writes_nothing(shop, run):
    before = tree(shop)
    said = run(*CARVE, "--dry-run").out
    assert said.startswith("Would carve billing:\n")
    assert "+MODULES=billing\n" in said
    assert tree(shop) == before
    (shop / "README.md").write_text("An edit that is not committed.")
    assert run(*CARVE, "--dry-run").out == said


def test_scripts_get_json(shop, run):
    told = json.loads(run(*CARVE, "--json").out)
    assert (told["module"], told["services"], told["written"]) == ("billing", ["billing"], True)
    assert f"{SERVICE}/settings.env" in told["files"]
    assert told["next"][0]["with"][0] == "make test remote=billing"
    told = json.loads(run("carve", "billing", "--undo", "--json").out)
    assert (told["services"], told["written"]) == ([], True)
    assert f"{SERVICE}/settings.env" in told["gone"]


def test_a_second_service_is_warned_of_and_services_find_each_other(shop, run):
    run(*CARVE)
    done = run("carve", "catalog", "--because", "scaling")
    assert "billing is carved already" in done.err
    assert (
        "REMOTE_MODULES=catalog=http://catalog-web\n"
        in (shop / SERVICE / "settings.env").read_text()
    )
    assert "REMOTE_MODULES=billing=http://billing-web in deploy/overlays/*/settings.env" in done.out
    compose = (shop / "compose.yaml").read_text()
    assert '"127.0.0.1:8001:8000"' in compose
    assert '"127.0.0.1:8002:8000"' in compose
    said = run("carve", "billing", "--undo").out
    assert "SERVICE_LOGINS=billing=shop_billing catalog=shop_catalog in deploy" in said
    assert '"127.0.0.1:8002:8000"' in (shop / "compose.yaml").read_text()  # As the proxy knows it.


def test_carved_again_a_service_finds_what_it_has_come_to_call(shop, run, refused):
    run("add-module", "identity")
    commit()
    run(*CARVE)
    before = tree(shop)
    edit(TOML, '["catalog"]', '["catalog", "identity"]')
    commit()
    done = run("carve", "billing")
    assert done.code == 0, done.err
    settings = (shop / SERVICE / "settings.env").read_text()
    assert "\nREMOTE_MODULES=catalog=http://web identity=http://web\n" in settings
    assert (
        git(shop, "log", "-1", "--format=%s") == "Carve billing again: it calls catalog, identity"
    )
    assert "is a service already" in refused(*CARVE)
    edit(TOML, '["catalog", "identity"]', '["catalog"]')
    commit()
    run(*CARVE)
    assert tree(shop) == before


def test_owners_that_stand_elsewhere_stay_as_they_are(shop, run):
    Path("CODEOWNERS").rename(shop.parent / "owners")
    Path("CODEOWNERS").symlink_to("../owners")
    commit()
    before = (shop.parent / "owners").read_text()
    assert run(*CARVE).code == 0
    assert run("carve", "billing", "--undo").code == 0
    assert (shop.parent / "owners").read_text() == before


TAKES_PART = {
    "[../../base]": "[../../base, ../../services]",
    "[web.yaml, '../../base/']": "[web.yaml, '../../base/', ../../services]",
    "\n  - partner.yaml\n  - ../../base": "\n  - partner.yaml\n  - ../../base\n  - ../../services",
    '\n- "../../base"  # All': '\n- "../../base"  # All\n- ../../services',
    "[../../base-of-ours]": None,
    "[../../base/web]": None,
    "\n  # ../../base\n  - ours": None,
    "": None,
}


@pytest.mark.parametrize(("has", "gets"), TAKES_PART.items())
def test_an_overlay_that_takes_the_base_takes_services_beside_it(has, gets):
    before = f"kind: Kustomization\nresources: {has}\nimages: []\n"
    after = with_services(before.encode())
    assert after == (gets and before.replace(has, gets).encode())
    assert without_services(after or before.encode()) == before.encode()


def test_an_overlay_of_the_teams_own_takes_part(shop, run):
    shutil.copytree(shop / STAGING, shop / "deploy/overlays/trial")
    trial = "deploy/overlays/trial/kustomization.yaml"
    edit(trial, "resources: [../../base]", "resources:\n  - partner.yaml\n  - ../../base")
    commit()
    before = tree(shop)
    run(*CARVE)
    assert "  - partner.yaml\n  - ../../base\n  - ../../services\n" in (shop / trial).read_text()
    run("carve", "billing", "--undo")
    assert tree(shop) == before


def test_a_name_that_compose_has_for_something_else_is_no_obstacle(shop, run):
    for name in ("admin", "migration", "health"):
        assert run("add-module", name).code == 0
    commit()
    for name in ("admin", "migration", "health"):
        assert run("carve", name, "--because", "scaling").code == 0
    text = (shop / "compose.yaml").read_text()
    anchors = re.findall(r"&[\w-]+", text)
    assert len(anchors) == len(set(anchors))
    for above in ("x-app", "services", "secrets"):
        block = re.search(rf"^{above}:.*\n(?:(?: .*)?\n)*", text, re.M)[0]
        keys = re.findall(r"^  ([\w-]+):", block, re.M)
        assert len(keys) == len(set(keys))


def test_where_nothing_is_deployed_from_here_it_is_only_said(shop, run):
    edit(".copier-answers.yml", "deploy: both", "deploy: none")
    git(shop, "rm", "-rq", "deploy", "compose.yaml")
    commit()
    before = tree(shop)
    done = run(*CARVE)
    changed = {name for name, content in tree(shop).items() if before.get(name) != content}
    assert changed == {".copier-answers.yml", TOML}
    assert "SERVICE_LOGINS=billing=shop_billing" in done.out
    undone = run("carve", "billing", "--undo").out
    assert "kubectl" not in done.out + undone
    assert "let the rest serve /billing again" in undone
    assert tree(shop) == before


def test_what_the_template_changes_later_reaches_a_service(shop, run):
    run(*CARVE)
    template = Template(shop.parent / "origin")
    place = "deploy/services/{% yield service from services %}{{ service }}{% endyield %}"
    text = (template.root / "template" / place / "settings.env.jinja").read_text()
    template.write(f"{place}/settings.env.jinja", text.replace("POOL_SIZE=2", "POOL_SIZE=3"))
    template.release("v2.0.0")
    assert run("update").code == 0
    assert "POOL_SIZE=3" in (shop / SERVICE / "settings.env").read_text()
    assert run("carve", "billing", "--undo").code == 0
    assert not (shop / "deploy/services").exists()


def test_without_a_reason_it_is_advised_against(shop, refused):
    assert "Do not carve billing: you gave no reason" in refused("carve", "billing")
    assert "scaffold decide" in refused("carve", "billing")


def test_a_bill_that_is_not_clean_must_be_accepted(shop, run, refused):
    file = "src/app/modules/billing/__init__.py"
    edit(
        file,
        "class Billing(Protocol): ...",
        "class Billing(Protocol):\n    def all(self) -> object: ...",
    )
    commit()
    said = refused(*CARVE)
    assert "the bill has 1 to change first" in said
    assert "--accept-bill" in said
    assert run(*CARVE, "--accept-bill").code == 0


WRONG = {
    "unknown": (("carve", "biling", "--because", "scaling"), None, "did you mean billing?"),
    "no service": (("carve", "billing", "--undo"), None, "billing is no service"),
    "dirty": (CARVE, lambda: edit("README.md", "# shop", "# Shop"), "has uncommitted changes"),
    "a table of that name": (
        CARVE,
        lambda: [edit(TOML, '["catalog"]', '["catalog"]\n[service]'), commit()],
        "module.toml has \\[service\\]",
    ),
    "a rename that is not finished": (
        CARVE,
        lambda: [
            Path("src/app/modules/moved.toml").write_text(
                '[[moved]]\non = 2026-11-30\nrename = "bills"\nto = "billing"\n'
            ),
            commit(),
        ],
        "rename-module --finish bills",
    ),
    "edits in the way": (
        CARVE,
        lambda: [edit("deploy/base/settings.env", "CONCURRENCY=10", "CONCURRENCY=7"), commit()],
        "would write over your edits in deploy/base/settings.env",
    ),
    "a file in the way": (
        CARVE,
        lambda: [
            Path("deploy/services").mkdir(),
            Path("deploy/services/kustomization.yaml").write_text("resources: []\n"),
            commit(),
        ],
        "deploy/services/kustomization.yaml",
    ),
}


@pytest.mark.parametrize(("command", "spoil", "said"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_carved_is_refused_in_a_sentence(shop, refused, command, spoil, said):
    if spoil:
        spoil()
    assert re.search(said, refused(*command))


def test_what_is_carved_is_neither_carved_again_nor_renamed_nor_removed(shop, run, refused):
    run(*CARVE)
    undo = "scaffold uncarve billing"
    assert f"is a service already; `{undo}`" in refused(*CARVE)
    assert f"is a service of its own; `{undo}` first" in refused(
        "rename-module", "billing", "bills"
    )
    edit("src/app/modules/catalog/module.toml", "[]", "[]")
    assert f"is a service of its own; `{undo}` first" in refused(
        "remove-module", "billing", "--archive"
    )
    assert "billing, which is a service of its own, calls catalog" in refused(
        "rename-module", "catalog", "products"
    )


EDITED = {
    "a file that goes": (f"{SERVICE}/settings.env", "POOL_SIZE=2", "POOL_SIZE=9"),
    "lines that go": ("compose.yaml", "DATABASE_ROLES: shop", "DATABASE_ROLES: till"),
    "the reason": (TOML, 'because = "scaling"', 'because = "scaling"\nsince = 2026-11-30'),
    "where it is": (f"{STAGING}/settings.env", "\nREMOTE_MODULES=\n", "\nREMOTE_MODULES=a=http://b\n"),
}  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new"), EDITED.values(), ids=EDITED)
def test_what_was_edited_since_is_not_taken_out(shop, run, refused, file, old, new):
    run(*CARVE)
    edit(file, old, new)
    commit()
    assert file in refused("carve", "billing", "--undo")


def test_what_the_team_has_taken_out_already_is_no_obstacle(shop, run, refused):
    before = tree(shop)
    run(*CARVE)
    edit(TOML, 'because = "scaling"', 'because = "scaling"\nsince = 2026-11-30')
    commit()
    assert "take it out yourself" in refused("carve", "billing", "--undo")
    edit(TOML, '\n[service]\nbecause = "scaling"\nsince = 2026-11-30\n', "")
    commit()
    assert run("carve", "billing", "--undo").code == 0
    assert tree(shop) == before


def test_what_an_overlay_calls_is_not_taken_away(shop, run, refused):
    for name in ("billing", "catalog"):
        run("carve", name, "--because", "scaling")
    settings, called = f"{STAGING}/settings.env", "catalog=http://catalog-web"
    edit(settings, "\nREMOTE_MODULES=\n", f"\nREMOTE_MODULES={called} billing=http://billing-web\n")
    commit()
    said = refused("carve", "billing", "--undo")
    assert f"{settings} has billing in REMOTE_MODULES; take it out" in said
    edit(settings, " billing=http://billing-web", "")
    commit()
    assert run("carve", "billing", "--undo").code == 0


def test_the_answer_of_a_carved_repository_is_found_again(shop, run):
    run(*CARVE)
    run("carve", "catalog", "--because", "scaling")
    before = Path(".copier-answers.yml").read_text()
    Path(".copier-answers.yml").unlink()
    done = run("adopt", "--from", str(shop.parent / "origin"), "--yes")
    assert done.code == 0, done.err
    services = re.compile(r"^services:\n(?: .*\n)+", re.M)
    found = services.search(Path(".copier-answers.yml").read_text())
    assert found[0] == services.search(before)[0]


def test_a_template_that_knows_no_services_is_too_old(shop, refused):
    questions = (ROOT / "copier.yml").read_text()
    older = re.sub(r"^services:\n(?:  .*\n)+", "", questions, flags=re.MULTILINE)
    assert older != questions
    template = Template(shop.parent / "origin")
    (template.root / "copier.yml").write_text(older)
    template.release("v0.9.0")
    edit(".copier-answers.yml", "_commit: v1.0.0", "_commit: v0.9.0")
    commit()
    assert "v0.9.0 knows no services; update the repository first" in refused(*CARVE)


def test_undo_takes_nothing_but_what_it_needs(shop, run):
    done = run("carve", "billing", "--undo", "--because", "scaling")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("scaffold: --undo takes none of --bill")


def carve_and_be_killed(shop: Path, step: int) -> int:
    """Carve in a process group that is killed before its n-th step, once something is written."""
    seen = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event == "subprocess.Popen":
            seen += bool(seen) or "pack-objects" in str(arguments)
            if seen == step:
                os.killpg(0, signal.SIGKILL)

    def run() -> None:
        os.setpgid(0, 0)
        sys.addaudithook(watch)
        carve(shop, "billing", "scaling")

    return in_child(run)


def test_killed_at_any_moment_it_is_as_before_or_as_after(shop, tmp_path, monkeypatch):
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))

    def state(root: Path) -> str:
        return repr((tree(root), git(root, "status", "--porcelain")))

    whole = shutil.copytree(shop, tmp_path / "whole")
    assert carve_and_be_killed(whole, -1) == 0
    ends = {state(shop): 0, state(whole): 0}
    step, code = 0, -signal.SIGKILL
    while code == -signal.SIGKILL:
        step += 1
        copy = shutil.copytree(shop, tmp_path / "killed")
        code = carve_and_be_killed(copy, step)
        ends[state(copy)] += 1
        shutil.rmtree(copy)
    assert code == 0
    assert step > 5
    assert min(ends.values()) > 0
