"""An entity in a module that is there: new files, and lines among those that a team has written."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import Run, git, in_child, tree

from scaffold import cli

LAB = "src/app/modules/lab"
SLOT = ("add-entity", "lab", "slot", "--fields", "starts_at:datetime taken:bool")


@pytest.fixture
def lab(shop: Path, run: Run) -> Path:
    """The folder of a bare module, committed."""
    assert run("add-module", "lab", "--bare").code == 0
    git(shop, "add", "--all")
    git(shop, "commit", "--quiet", "--message", "Add lab")
    return shop / LAB


def added(before: bytes, after: bytes) -> bool:
    """Whether each line that was there is there still, in its order."""
    lines = iter(after.splitlines())
    kept = [line for line in before.splitlines() if line and b"import" not in line]
    return all(line in lines for line in kept)


def test_a_bare_module_is_wired_and_has_nothing_in_it(lab):
    assert {path.name for path in lab.iterdir()} == {
        ".copier-answers.module.yml",
        "README.md",
        "__init__.py",
        "module.toml",
        "service.py",
        "tests",
        "wiring.py",
    }


def test_a_module_with_fields_is_a_bare_one_to_which_they_were_added(shop, run, lab):
    assert run(*SLOT).code == 0
    by_steps = tree(lab)
    shutil.rmtree(lab)
    git(shop, "checkout", "--quiet", "HEAD~1")
    assert run("add-module", "lab", "--entity", "slot", "--fields", SLOT[-1]).code == 0
    assert tree(lab) == by_steps


def test_it_says_what_it_wrote_and_what_is_next(lab, run):
    result = run(*SLOT)
    assert (result.code, result.err) == (0, "")
    assert f"  new     {LAB}/slot_service.py\n" in result.out
    assert f"  changed {LAB}/service.py\n" in result.out
    assert f"Next: read the migration, then make test, and edit {LAB}/slot_service.py" in result.out
    assert not (lab.parents[3] / ".scaffold.tmp").exists()


def test_the_second_entity_leaves_each_line_that_was_there(shop, run, lab):
    run(*SLOT)
    interface = lab / "__init__.py"
    edited = interface.read_text().replace(
        "class Lab(Protocol):", "# Ours.\nclass Lab(Protocol):  # !"
    )
    interface.write_text(edited)
    before = tree(lab)
    assert run("add-entity", "lab", "analysis", "--plural", "analyses").code == 0
    after = tree(lab)
    for name, content in before.items():
        if name not in ("service.py", "routes.py"):
            assert added(content, after[name]), name
    assert b"\n\n\n# Ours.\nclass Lab(Protocol):  # !\n" in after["__init__.py"]
    assert b"class LabService(AnalysisRules, SlotRules):" in after["service.py"]
    assert b"add_slot_routes(router, service, db)\n    add_analysis_routes(" in after["routes.py"]
    for name, content in after.items():
        if name.endswith(".py"):
            compile(content, name, "exec")


def test_migrations_follow_each_other(run, lab):
    for name in ("slot", "tool", "visit"):
        assert run("add-entity", "lab", name).code == 0
    files = sorted((lab / "migrations").iterdir())
    texts = [file.read_text() for file in files]
    revisions = [re.search(r'^revision = "(\d+)"', text, re.M)[1] for text in texts]
    assert revisions[0] == "0001"
    assert len({*revisions}) == 3
    below = [re.search(r'^down_revision = "?(\w+)"?', text, re.M)[1] for text in texts]
    assert below == ["None", *revisions[:-1]]


def test_of_two_branches_of_migrations_both_are_below_the_next(run, lab):
    run(*SLOT)
    for name in ("a", "b"):
        text = f'revision = "{name}"\ndown_revision: str = "0001"\n'
        (lab / "migrations" / f"{name}.py").write_text(text)
    run("add-entity", "lab", "tool")
    (file,) = (lab / "migrations").glob("*_tools.py")
    assert 'down_revision = ("a", "b")' in file.read_text()


def test_a_dry_run_prints_a_diff_that_git_can_apply_and_writes_nothing(shop, run, lab):
    before = tree(shop)
    out = run(*SLOT, "--dry-run").out
    assert tree(shop) == before
    assert "Would add slot to lab" in out
    diff = out[re.search("^--- ", out, re.M).start() :]
    subprocess.run(["git", "apply"], cwd=shop, input=diff, text=True, check=True)
    applied = tree(shop)
    git(shop, "stash", "--include-untracked")
    run(*SLOT)
    assert tree(shop) == applied


def test_json_is_for_scripts(run, lab):
    found = json.loads(run(*SLOT, "--json").out)
    assert (found["module"], found["entity"], found["written"]) == ("lab", "slot", True)
    assert f"{LAB}/slot_routes.py" in found["files"]


def test_files_that_nobody_formats_are_not_formatted(run, lab):
    tables = lab / "service.py"
    tables.write_text(tables.read_text() + "LAST = [ 1,2 ]\n")
    assert run(*SLOT).code == 0
    assert "LAST = [ 1,2 ]\n" in tables.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["labs", "slot"], "no module 'labs' to add to"),
        (["../lab", "slot"], r"no module '\.\./lab' to add to"),
        (["lab", "Slot"], "is no entity name; .*: slot"),
        (["lab", "class"], "would clash"),
        (["lab", "page"], "would clash"),
        (["lab", "tx"], "would clash"),
        (["lab", "test_tube"], "pytest takes"),
        (["lab", "lab"], "the class name Lab twice"),
        (["lab", "lab_service"], "the class name LabService twice"),
        (["lab", "slot", "--plural", "Slots"], "is no plural name"),
        (["lab", "slot", "--plural", "s_lot"], "spelled otherwise"),
        (["lab", "slot", "--fields", "a:nothing"], "does not exist"),
        (["lab", "x", "--fields", "service:enum(a)", "--plural", "services"], "^$"),
    ],
)
def test_bad_arguments_are_refused(lab, refused, run, arguments, said):
    if said == "^$":
        assert run("add-entity", *arguments).code == 0
    else:
        assert re.search(said, refused("add-entity", *arguments))


def test_what_is_there_is_not_added_again(lab, run, refused):
    run(*SLOT)
    assert "exists already; take another name" in refused(*SLOT)
    assert "the table slots is in" in refused("add-entity", "lab", "hole", "--plural", "slots")


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("__init__.py", "class Lab(Protocol)", "class Laboratory(Protocol)", "it has no class Lab"),
        ("service.py", "class LabService", "class Service", "it has no class LabService"),
        ("service.py", "self._db = db", "self.database = db", "does not set self._db"),
        ("service.py", "class", "clas", "it is no Python"),
        ("wiring.py", "module = Module(build)", "module = make(build)\nmodule = module", "^$"),
        ("wiring.py", "module = Module(build)", "module = (build)", "it sets no variable module"),
    ],
)
def test_what_was_rewritten_is_refused_with_the_lines_to_add(lab, run, file, old, new, said):
    place = lab / file
    assert old in place.read_text()
    place.write_text(place.read_text().replace(old, new))
    before = tree(lab.parents[3])
    result = run(*SLOT)
    if said == "^$":
        assert result.code == 0
        return
    assert (result.code, result.out) == (1, "")
    assert tree(lab.parents[3]) == before
    sentence, *lines = result.err.splitlines()
    assert sentence.startswith(f"scaffold: cannot add to what was rewritten in lab: {file} (")
    assert said in sentence
    assert lines[0] == f"# {file}"
    assert "Slot" in "\n".join(lines) or "routes=routes" in "\n".join(lines)


def test_once_the_lines_are_added_by_hand_the_rest_follows(lab, run):
    run(*SLOT)
    whole = (lab / "__init__.py").read_bytes()
    git(lab, "checkout", "--quiet", ".")
    git(lab, "clean", "--quiet", "--force", "-d")
    (lab / "__init__.py").write_bytes(whole + b"# by hand\n")
    assert run(*SLOT).code == 0
    assert (lab / "__init__.py").read_bytes() == whole + b"# by hand\n"
    assert (lab / "slot_routes.py").exists()


def test_a_template_that_knows_no_fields_is_refused(shop, template, tmp_path, refused, run):
    old = tmp_path / "old"
    shutil.copytree(template, old)
    git(old, "checkout", "--quiet", "v0.1.0")
    config = (old / "copier.yml").read_text()
    config = config.replace("fields is defined", "false").replace("bare is defined", "false")
    (old / "copier.yml").write_text(config)
    git(old, "commit", "--quiet", "--all", "--message", "Old")
    git(old, "tag", "--force", "v0.1.0")
    found = ("--from", str(old))
    assert "update the repository" in refused("add-entity", "catalog", "slot", *found)
    assert "update the repository" in refused("add-module", "lab", "--bare", *found)
    assert "update the repository" in refused("add-module", "lab", "--fields", "a:int", *found)


def test_bare_and_fields_exclude_each_other(shop, refused):
    assert "leave out --bare" in refused("add-module", "lab", "--bare", "--fields", "a:int")
    assert "leave out --bare" in refused("add-module", "lab", "--bare", "--entity", "slot")


def with_signal_at(step: int, number: signal.Signals, folder: Path) -> int:
    """Add an entity in a process that gets a signal before its n-th change to the repository."""
    seen = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event not in ("open", "os.mkdir", "os.remove", "os.rename", "os.rmdir"):
            return
        if not str(arguments[0]).startswith(str(folder)):
            return
        if event == "open" and not int(arguments[2]) & (os.O_WRONLY | os.O_RDWR):
            return
        seen += 1
        if seen == step:
            os.kill(os.getpid(), number)

    def add() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        sys.argv = ["scaffold", *SLOT]
        sys.addaudithook(watch)
        cli.main()

    return in_child(add)


def theirs(lab: Path) -> dict[str, bytes]:
    """What a repository has, but for our own folder, and the time in the name of a migration."""
    return {k: v for k, v in tree(lab.parents[3]).items() if not k.startswith(".scaffold.tmp/")}


@pytest.mark.slow
def test_a_kill_at_any_step_is_made_good_by_the_next_run(shop, run, lab):
    untouched = theirs(lab)
    spare = shop.with_name("spare")
    shutil.copytree(shop, spare)
    assert run(*SLOT).code == 0
    finished = theirs(lab)
    step, code = 0, -signal.SIGKILL
    while code == -signal.SIGKILL:
        shutil.rmtree(shop)
        shutil.copytree(spare, shop)
        os.chdir(shop)
        step += 1
        code = with_signal_at(step, signal.SIGKILL, shop)
        again = run(*SLOT)
        assert theirs(lab) == finished
        assert again.code == 0 or "exists already" in again.err
        assert not (shop / ".scaffold.tmp").exists()
    assert code == 0
    assert step > 20
    assert untouched.keys() < finished.keys()


@pytest.mark.slow
def test_ctrl_c_at_any_step_leaves_all_or_nothing(shop, run, lab):
    untouched = theirs(lab)
    step, code = 0, 130
    while code == 130:
        step += 1
        code = with_signal_at(step, signal.SIGINT, shop)
        if code == 130:
            assert tree(shop) == untouched
    assert code == 0
    assert step > 10
    assert "slot_service.py" in {Path(name).name for name in tree(shop)}


def test_what_somebody_wrote_after_a_kill_is_not_taken_back(shop, run, lab):
    spare = shop.with_name("spare")
    shutil.copytree(shop, spare)
    run(*SLOT)
    half = 0
    for step in range(3, 80):
        shutil.rmtree(shop)
        shutil.copytree(spare, shop)
        os.chdir(shop)
        if with_signal_at(step, signal.SIGKILL, shop) == 0:
            break
        if b"Slot" in (lab / "__init__.py").read_bytes() and not (
            lab / "wiring.py"
        ).read_text().count("routes"):
            half += 1
            (lab / "__init__.py").write_text('"""Mine."""\n')
            run("add-entity", "lab", "other")
            assert (lab / "__init__.py").read_text() == '"""Mine."""\n'
            break
    assert half == 1


def test_an_update_leaves_entities_to_the_team(shop, run, lab):
    assert run(*SLOT).code == 0
    git(shop, "add", "--all")
    git(shop, "commit", "--quiet", "--message", "Add slots")
    before = tree(lab)
    assert run("update", "--to", "v0.2.0").code == 0
    after = tree(lab)
    answers = after.pop(".copier-answers.module.yml")
    assert b'_commit: "v0.2.0"' in answers
    assert b"bare: true" in answers
    assert answers.replace(b"v0.2.0", b"v0.1.0") == before.pop(".copier-answers.module.yml")
    assert after == before


def test_a_module_that_is_called_as_what_it_keeps_has_that_at_its_root(shop, run):
    fields = ("--fields", "name:text")
    for module, entity in (
        ("patients", "patient"),
        ("billing", "invoice"),
        ("web_shops", "web_shop"),
    ):
        assert run("add-module", module, "--entity", entity, *fields).code == 0
    modules = shop / "src/app/modules"
    routes = (modules / "patients/patient_routes.py").read_text()
    assert '@router.post("", ' in routes
    assert '@router.get("/{id:uuid}"' in routes
    assert (
        '@router.get("/invoices/{id:uuid}"' in (modules / "billing/invoice_routes.py").read_text()
    )
    tests = (modules / "web_shops/tests/test_web_shop_routes.py").read_text()
    assert 'URL = "/web-shops"\n' in tests


def test_a_bare_module_says_how_it_gets_something_to_keep(shop, run):
    assert "Next: scaffold add-entity lab NAME --fields" in run("add-module", "lab", "--bare").out
