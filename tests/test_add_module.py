"""One new folder and its line in CODEOWNERS, or nothing at all."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from helpers import command, git, process, tree

BILLING = "src/app/modules/billing"


def test_it_writes_one_folder_and_one_line(shop, run):
    before = tree(shop)
    result = run("add-module", "billing", "--entity", "invoice", "--owner", "@acme/payments")
    assert (result.code, result.err) == (0, "")
    after = tree(shop)
    new = {name for name in after if name not in before}
    assert all(name.startswith(f"{BILLING}/") for name in new)
    assert f"{BILLING}/tests/test_invoice.py" in new
    line = f"/{BILLING}/ @acme/payments\n".encode()
    owners = after.pop("CODEOWNERS")
    assert line in owners
    assert owners.replace(line, b"") == before.pop("CODEOWNERS")
    assert {name: after[name] for name in before} == before
    assert git(shop, "status", "--porcelain") == f"M CODEOWNERS\n?? {BILLING}/"


def test_it_says_what_it_wrote_and_wired_and_what_is_next(shop, run):
    out = run("add-module", "billing", "--depends-on", "ordering,catalog").out
    assert f"  new     {BILLING}/wiring.py\n" in out
    assert "  changed CODEOWNERS\n" in out
    assert "build(db: Database, catalog: Catalog, ordering: Ordering) -> Billing\n" in out
    assert "Next: make test" in out
    assert "\033" not in out


def test_dependencies_arrive_under_the_name_of_their_interface(shop, run):
    wiring = shop / "src/app/modules/catalog/wiring.py"
    wiring.write_text("def build(db: Database) -> 'Shelves': ...\n")
    assert run("add-module", "billing", "--depends-on", "catalog, catalog").code == 0
    assert "catalog: Shelves" in (shop / BILLING / "wiring.py").read_text()
    assert 'depends_on = ["catalog"]' in (shop / BILLING / "module.toml").read_text()


def test_it_takes_the_version_that_the_repository_records(shop, run, template):
    run("add-module", "billing")
    assert not (shop / BILLING / "NEW.md").exists()
    answers = shop / ".copier-answers.yml"
    described = git(template, "describe", "--tags")
    answers.write_text(answers.read_text().replace("v0.1.0", described))
    assert run("add-module", "tax").code == 0
    assert (shop / "src/app/modules/tax/NEW.md").exists()


@pytest.mark.parametrize("name", ["after", "before", "copier", "scaffold"])
def test_no_name_clashes_with_our_own_files(shop, run, name):
    assert run("add-module", name).code == 0
    assert (shop / "src/app/modules" / name / "module.toml").is_file()


def test_it_works_from_any_folder_inside(shop, run, monkeypatch):
    monkeypatch.chdir(shop / "src/app/modules/catalog")
    assert run("add-module", "billing").code == 0
    monkeypatch.chdir("/")
    assert run("add-module", "tax", "-C", str(shop / "src")).code == 0
    assert (shop / BILLING).is_dir()
    assert (shop / "src/app/modules/tax").is_dir()


def test_json_is_for_scripts(shop, run):
    found = json.loads(run("add-module", "billing", "--json").out)
    assert found["module"] == "billing"
    assert found["files"][-1] == "CODEOWNERS"
    assert found["template"]["version"] == "v0.1.0"
    assert found["written"] is True
    assert json.loads(run("add-module", "tax", "--json", "--dry-run").out)["written"] is False


def test_a_dry_run_prints_a_diff_that_git_can_apply_and_writes_nothing(shop, run):
    before = tree(shop)
    out = run("add-module", "billing", "--dry-run").out
    assert tree(shop) == before
    assert "Would add billing" in out
    diff = out[out.index("--- /dev/null") :]
    subprocess.run(["git", "apply"], cwd=shop, input=diff, text=True, check=True)
    applied = tree(shop)
    git(shop, "stash", "--include-untracked")
    run("add-module", "billing")
    assert tree(shop) == applied


def test_uncommitted_changes_elsewhere_do_not_matter(shop, run):
    (shop / "README.md").write_text("mine")
    (shop / "CODEOWNERS").write_text("* @me")
    (shop / "untracked").write_text("mine")
    assert run("add-module", "billing").code == 0
    assert (shop / "README.md").read_text() == "mine"
    assert (shop / "CODEOWNERS").read_text() == f"* @me\n/{BILLING}/ @acme/team\n"


@pytest.mark.parametrize(
    ("rule", "hidden"),
    [("parts/", "parts/"), ("wiring.*", "parts/wiring.py")],
)
def test_what_git_would_leave_out_is_refused_by_its_rule(shop, refused, rule, hidden):
    (shop / ".gitignore").write_text(f"*.pyc\n{rule}\n")
    said = refused("add-module", "parts")
    assert f"git ignores src/app/modules/{hidden}" in said
    assert f"by the rule .gitignore:2:{rule}" in said


def test_an_exception_to_a_rule_counts(shop, run):
    (shop / ".gitignore").write_text("parts/\n!/src/app/modules/parts/\n")
    assert run("add-module", "parts").code == 0


def test_a_repository_that_is_ignored_as_a_whole_gets_modules(shop, run):
    shutil.rmtree(shop / ".git")
    git(shop.parent, "init", "--quiet")
    (shop.parent / ".gitignore").write_text("/shop/\n")
    assert run("add-module", "billing").code == 0


def test_a_copy_of_the_template_is_read_and_not_recorded(
    shop, run, template, tmp_path, monkeypatch
):
    recorded = (shop / ".copier-answers.yml").read_text()
    gone = recorded.replace(str(template), str(tmp_path / "gone"))
    (shop / ".copier-answers.yml").write_text(gone)
    assert "Name a copy with --from or SCAFFOLD_TEMPLATE" in run("add-module", "billing").err
    assert run("add-module", "billing", "--from", str(template)).code == 0
    monkeypatch.setenv("SCAFFOLD_TEMPLATE", str(template))
    assert run("add-module", "tax").code == 0
    assert (shop / ".copier-answers.yml").read_text() == gone
    for name in ("billing", "tax"):
        answers = (shop / f"src/app/modules/{name}/.copier-answers.module.yml").read_text()
        assert f'_src_path: "{tmp_path}/gone"' in answers
        assert '_commit: "v0.1.0"' in answers


def test_a_recorded_secret_is_refused_and_not_printed(shop, refused):
    answers = shop / ".copier-answers.yml"
    lines = answers.read_text().splitlines()
    lines = ["_src_path: https://bot:s3cret@localhost:1/t.git" if "_src" in x else x for x in lines]
    answers.write_text("\n".join(lines) + "\n")
    said = refused("add-module", "billing")
    assert "holds a user name, password or token" in said
    assert "s3cret" not in said


def test_it_works_without_git_in_the_repository_and_in_a_worktree(shop, run, tmp_path):
    git(shop, "worktree", "add", "--quiet", str(tmp_path / "tree"))
    assert run("add-module", "billing", "-C", str(tmp_path / "tree")).code == 0
    assert git(tmp_path / "tree", "status", "--porcelain") == f"M CODEOWNERS\n?? {BILLING}/"
    shutil.rmtree(shop / ".git")
    assert run("add-module", "billing").code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Billing"], "is no module name"),
        (["class"], "reserved"),
        (["select"], "reserved"),
        (["con"], "reserved"),
        (["../x"], "is no module name"),
        (["/etc/x"], "is no module name"),
        (["b\u0456lling"], "is no module name"),
        (["a" * 31], "at most 30"),
        (["catalog"], "exists already"),
        (["cata_log"], "too like the module 'catalog'"),
        (["billing", "--entity", "billing"], "entity"),
        (["billing", "--entity", "Invoice"], "is no entity name; .*: invoice"),
        (["billing", "--entity", "catalog", "--depends-on", "catalog"], "twice"),
        (["billing", "--owner", "acme"], "is no owner"),
        (["billing", "--depends-on", "identity"], "no module 'identity' to depend on"),
        (["billing", "--depends-on", "../catalog"], r"no module '\.\./catalog' to depend on"),
        (["billing", "--depends-on", "billing"], "cannot depend on itself"),
    ],
)
def test_bad_arguments_are_refused(shop, refused, arguments, said):
    assert re.search(said, refused("add-module", *arguments))


def test_a_name_that_stands_in_for_a_renamed_module_is_refused_until_that_is_finished(
    shop, refused, run
):
    file = shop / "src/app/modules/moved.toml"
    file.write_text('[[moved]]\nrename = "billing"\nto = "catalog"\non = 2026-11-30\n')
    assert "`scaffold rename-module --finish billing`" in refused("add-module", "billing")
    file.write_text(file.read_text() + '[[moved]]\nfinish = "billing"\non = 2026-12-14\n')
    assert run("add-module", "billing").code == 0


@pytest.mark.usefixtures("shop")
def test_a_cycle_is_refused_by_name(shop, refused):
    modules = shop / "src/app/modules"
    (modules / "catalog/module.toml").write_text('depends_on = ["ordering"]\n')
    (modules / "ordering/module.toml").write_text('depends_on = ["billing", "catalog"]\n')
    said = refused("add-module", "billing", "--depends-on", "catalog")
    assert "billing -> catalog -> ordering -> billing" in said


def test_a_cycle_among_others_is_not_ours_to_refuse(shop, run):
    modules = shop / "src/app/modules"
    (modules / "catalog/module.toml").write_text('depends_on = ["ordering", "gone"]\n')
    (modules / "ordering/module.toml").write_text('depends_on = ["catalog"]\n')
    assert run("add-module", "billing", "--depends-on", "catalog").code == 0


def test_a_dependency_whose_interface_is_a_namesake_is_refused(shop, refused):
    (shop / "src/app/modules/catalog/wiring.py").write_text("def build() -> Billing: ...\n")
    assert "namesake" in refused("add-module", "billing", "--depends-on", "catalog")


def test_a_dependency_whose_interface_cannot_be_found_is_refused(shop, refused):
    (shop / "src/app/modules/catalog/wiring.py").write_text("def build(): ...\n")
    assert "annotate it" in refused("add-module", "billing", "--depends-on", "catalog")


def test_outside_of_a_repository_is_refused(tmp_path, refused, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "not inside a generated repository" in refused("add-module", "billing")


def test_a_folder_with_only_leftovers_is_not_touched(shop, refused):
    (shop / BILLING / "__pycache__").mkdir(parents=True)
    (shop / BILLING / "__pycache__" / "x.pyc").write_text("x")
    assert "remove it first if it is a leftover" in refused("add-module", "billing")


def test_a_file_of_that_name_is_not_touched(shop, refused):
    (shop / f"{BILLING}.py").write_text("mine")
    assert "exists already" in refused("add-module", "billing")


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ("nonsense", "holds no answers"),
        ("_commit: v0.1.0\n", "does not say _src_path"),
        ("_src_path: /x\n", "does not say _commit"),
        (
            "_commit: v0.1.0\n_src_path: /gone/template\nowner: '@a/b'\n",
            "/gone/template is not there",
        ),
        ("_commit: v0.1.0\n_src_path: ../template\nowner: '@a/b'\n", "relative path"),
        ("_commit: v0.1.0\n_src_path: {shop}\n", "is no owner"),
        ("_commit: v0.1.0\n_src_path: {template}\nowner: 5\n", "is no owner"),
        ("_commit: v9\n_src_path: {template}\nowner: '@a/b'\n", "has no version v9"),
        ("_commit: --help\n_src_path: {template}\nowner: '@a/b'\n", "has no version --help"),
        ("_commit: HEAD\n_src_path: {shop}\nowner: '@a/b'\n", "has no module skeleton"),
    ],
)
def test_answers_that_lead_nowhere_are_refused(shop, template, refused, answers, said):
    text = answers.format(shop=shop, template=template)
    (shop / ".copier-answers.yml").write_text(text)
    if "skeleton" in said:
        git(shop, "commit", "--quiet", "--all", "--message", "nonsense")
    assert said in refused("add-module", "billing")


def test_missing_answers_are_refused(shop, refused):
    (shop / ".copier-answers.yml").unlink()
    assert "is missing" in refused("add-module", "billing")


def test_codeowners_in_a_merge_conflict_is_refused(shop, refused):
    (shop / "CODEOWNERS").write_text("<<<<<<< HEAD\n* @a\n=======\n* @b\n>>>>>>> x\n")
    assert "merge conflict" in refused("add-module", "billing")


@pytest.mark.usefixtures("shop", "without_git")
def test_no_git_is_refused(refused):
    assert "git is not on PATH" in refused("add-module", "billing")


def test_a_working_folder_of_the_users_is_refused(shop, refused):
    (shop / ".scaffold.tmp").mkdir()
    (shop / ".scaffold.tmp" / "mine").write_text("x")
    assert "in the way" in refused("add-module", "billing")


def test_two_at_once_both_succeed(shop):
    both = [
        subprocess.Popen(command("add-module", name), cwd=shop, stdout=subprocess.DEVNULL)
        for name in ("billing", "tax")
    ]
    assert [each.wait() for each in both] == [0, 0]
    owners = (shop / "CODEOWNERS").read_text()
    assert "/modules/billing/" in owners
    assert "/modules/tax/" in owners
    assert not (shop / ".scaffold.tmp").exists()


def test_of_two_at_once_with_the_same_name_one_is_refused(shop):
    both = [
        subprocess.Popen(command("add-module", "billing"), cwd=shop, stderr=subprocess.DEVNULL)
        for _ in range(2)
    ]
    assert sorted(each.wait() for each in both) == [0, 1]
    assert (shop / "CODEOWNERS").read_text().count("/modules/billing/") == 1


def test_two_branches_that_each_add_a_module_merge(shop, run):
    for name in ("billing", "tax"):
        git(shop, "switch", "--quiet", "--create", name, "main")
        assert run("add-module", name).code == 0
        git(shop, "add", "--all")
        git(shop, "commit", "--quiet", "--message", name)
    (shop / ".git/info/attributes").write_text("/CODEOWNERS merge=union\n")
    git(shop, "merge", "--quiet", "billing")
    owners = (shop / "CODEOWNERS").read_text()
    assert "/modules/billing/" in owners
    assert "/modules/tax/" in owners


@pytest.mark.slow
def test_plain_copier_updates_what_was_added_and_keeps_edits(shop, run):
    import copier

    run("add-module", "billing", "--depends-on", "catalog")
    (shop / BILLING / "module.toml").write_text('owner = "@me"\ndepends_on = ["catalog"]\n')
    git(shop, "add", "--all")
    git(shop, "commit", "--quiet", "--message", "billing")
    copier.run_update(
        shop / BILLING,
        answers_file=".copier-answers.module.yml",
        vcs_ref="v0.2.0",
        defaults=True,
        overwrite=True,
        quiet=True,
    )
    assert (shop / BILLING / "NEW.md").exists()
    assert 'owner = "@me"' in (shop / BILLING / "module.toml").read_text()
    assert git(shop, "diff", "--name-only") == f"{BILLING}/.copier-answers.module.yml"


@pytest.mark.slow
def test_it_costs_the_same_among_three_hundred_modules(shop, run):
    from time import process_time

    def best() -> float:
        times = []
        for _ in range(4):
            start = process_time()  # of this process: the machine may be busy
            assert run("add-module", "billing", "--depends-on", "catalog", "--dry-run").code == 0
            times.append(process_time() - start)
        return min(times)

    few = best()
    catalog: Path = shop / "src/app/modules/catalog"
    for number in range(300):
        shutil.copytree(catalog, catalog.with_name(f"m{number}"))
    assert best() < few * 1.5


def test_it_needs_no_uv_and_no_active_environment(shop):
    environment = {**os.environ, "PATH": "/usr/bin:/bin"}
    environment.pop("VIRTUAL_ENV", None)
    assert process("add-module", "billing", cwd=shop, env=environment).returncode == 0
