"""A repository, whole and committed, or nothing at all."""

import os
import pty
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from helpers import command, command_struck, git, process, tree


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answers(folder: Path) -> dict[str, object]:
    return yaml.safe_load((folder / ".copier-answers.yml").read_text())


def test_it_makes_a_committed_repository_and_nothing_else(folder, run, template):
    result = run("new", "shop", "--defaults", "--from", str(template))
    assert result.code == 0
    assert [path.name for path in folder.iterdir()] == ["shop"]
    assert git(folder / "shop", "status", "--porcelain", "--branch") == "## main"
    assert git(folder / "shop", "log", "--format=%s") == "Start shop from its template v0.2.0"
    assert result.out.splitlines()[-3:] == [
        "  cd shop",
        "  make dev",
        "  scaffold add-module billing",
    ]


def test_it_is_the_same_as_copier_alone(folder, run, template):
    import copier

    run("new", "ours", "--data", "project_name=shop", "--defaults", "--from", str(template))
    copier.run_copy(str(template), folder / "theirs", defaults=True, quiet=True)
    assert tree(folder / "ours") == tree(folder / "theirs")


def test_the_example_is_put_in_instead_of_new_modules(folder, run, template):
    result = run("new", "shop", "--example", "--defaults", "--from", str(template))
    assert result.code == 0
    assert result.out.endswith("  scaffold add-module reviews --depends-on catalog\n")
    shop = folder / "shop"
    assert git(shop, "status", "--porcelain", "--branch") == "## main"
    assert answers(shop)["modules"] == []
    owners = (shop / "CODEOWNERS").read_text().splitlines()
    assert [line for line in owners if "modules" in line] == [
        "/src/app/modules/greeting/ @acme/hosts"
    ]
    assert '"v0.2.0"' in (shop / "src/app/modules/greeting/.copier-answers.module.yml").read_text()
    assert "greeting  @acme/hosts" in run("modules", "-C", "shop").out


def test_the_example_and_git_may_be_names_of_folders(folder, run, template):
    for name in ("example", "git"):
        options = ("--example", "--defaults", "--no-git", "--from", str(template))
        assert run("new", name, *options).code == 0
        made = {path.name for path in (folder / name).iterdir()}
        assert "Makefile" in made or ".copier-answers.yml" in made
        assert not made & {"HEAD", "objects", "greeting"}


def test_the_example_is_refused_beside_other_modules_or_where_there_is_none(folder, run, template):
    start = ("new", "shop", "--example", "--defaults", "--from", str(template))
    mixed = run(*start, "--data", "modules=[tax]")
    assert "--example brings its own modules; leave out --data modules=" in mixed.err
    old = run(*start, "--ref", "v0.1.0")
    assert old.err == (
        f"scaffold: the template {template} has no example at v0.1.0; take a version that has one\n"
    )
    assert (mixed.code, old.code) == (1, 1)
    assert list(folder.iterdir()) == []


def test_it_records_a_relative_template_absolute(folder, run, template):
    (folder / "template").symlink_to(template)
    assert run("new", "shop", "--defaults", "--from", "template").code == 0
    assert answers(folder / "shop")["_src_path"] == str(template)


def test_it_takes_answers_and_a_version(folder, run, template):
    done = run(
        *("new", "shop", "--defaults", "--from", str(template), "--ref", "v0.1.0", "--no-git"),
        *("--data", "modules=[identity, tax]", "-d", "owner=@acme/shop", "-d", "ci=gitlab"),
    )
    assert done.code == 0, done.err
    found = answers(folder / "shop")
    assert found["_commit"] == "v0.1.0"
    assert found["modules"] == ["identity", "tax"]
    assert found["ci"] == "gitlab"
    assert not (folder / "shop/.git").exists()


@pytest.mark.parametrize(
    ("name", "project"), [("web-shop", "web-shop"), ("Web Shop", "shop"), ("app", "shop")]
)
def test_the_folder_names_the_product_if_it_can(folder, run, template, name, project):
    result = run("new", name, "--defaults", "--from", str(template))
    assert result.code == 0
    assert answers(folder / name)["project_name"] == project
    told = f"{name} is no name for a product, so this one is called {project}"
    assert (told in result.err) is (name != project)


def test_an_empty_folder_is_taken(folder, run, template):
    (folder / "shop").mkdir()
    assert run("new", "shop", "--defaults", "--from", str(template)).code == 0
    assert (folder / "shop/README.md").exists()


def test_the_folder_can_be_entered_by_others(folder, run, template):
    run("new", "shop", "--defaults", "--from", str(template))
    (folder / "plain").mkdir()
    assert (folder / "shop").stat().st_mode == (folder / "plain").stat().st_mode


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "pass --defaults"),
        (["--defaults", "--data", "project_name=Web Shop"], "'project_name' will not do"),
        (["--defaults", "--data", "owner=acme"], "'owner' will not do"),
        (["--defaults", "--data", "description="], "'description' will not do"),
        (["--defaults", "--data", "ci=jenkins"], "'ci' will not do"),
        (["--defaults", "--data", "modules=tax"], "'modules' will not do"),
        (["--defaults", "--data", "example=shop"], "no such question"),
        (["--defaults", "--data", "modules=[class]"], "will not do"),
        (["--defaults", "--data", "modules=[../x]"], "will not do"),
        (
            ["--defaults", "--data", "modules=[tax"],
            "the answer [tax is no YAML (expected ',' or ']'",
        ),
        (["--defaults", "--data", "modules=[tax, t_ax]"], "only by an underscore"),
        (["--defaults", "--data", "project=x"], "has no such question; it has catalog, ci, "),
        (["--defaults", "--data", "module=x"], "no such question"),
        (["--defaults", "--data", "_commit=x"], "no such question"),
        (["--defaults", "--data", "services={}"], "scaffold carve NAME"),
        (["--defaults", "--ref", "v9"], "has no version v9"),
    ],
)
def test_bad_arguments_are_refused(refused, template, arguments, said):
    assert said in refused("new", "shop", "--from", str(template), *arguments)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("gone", "is not there"),
        (".", "not the top of a git repository"),
        ("https://localhost:1/x.git", "https://localhost:1/x.git cannot be reached: "),
        ("gone:x.git", "Could not resolve hostname gone"),
    ],
)
def test_a_bad_template_is_refused(refused, source, said):
    assert said in refused("new", "shop", "--defaults", "--from", source)


def test_a_template_that_is_not_ours_is_refused(folder, refused):
    git(folder, "init", "--quiet", "other")
    (folder / "other/README.md").write_text("x")
    git(folder / "other", "add", ".")
    git(folder / "other", "commit", "--quiet", "--message", "x")
    said = refused("new", "shop", "--defaults", "--from", "other")
    assert "does not make a repository for scaffold" in said


def test_a_throw_away_version_is_never_recorded(folder, refused, template):
    """Copier takes HEAD when all tags are pre-releases, and commits what is uncommitted."""
    shutil.copytree(template, folder / "mine")
    git(folder / "mine", "tag", "--delete", "v0.1.0", "v0.2.0")
    git(folder / "mine", "tag", "v1.0.0a1")
    (folder / "mine" / "template" / "draft").write_text("x")
    assert "uncommitted changes" in refused("new", "shop", "--defaults", "--from", "mine")


@pytest.mark.parametrize("content", ["file", ".git/HEAD"])
def test_a_folder_that_is_not_empty_is_refused(folder, refused, content):
    (folder / "shop" / content).parent.mkdir(parents=True, exist_ok=True)
    (folder / "shop" / content).write_text("mine")
    assert "is not empty" in refused("new", "shop", "--defaults")


def test_a_file_is_refused(folder, refused):
    (folder / "shop").write_text("mine")
    assert "is a file" in refused("new", "shop", "--defaults")


def test_a_template_that_nobody_else_can_reach_is_said_at_once(run, template):
    said = run("new", "shop", "--defaults", "--from", str(template)).err
    assert said.startswith(f"scaffold: warning: the template is recorded as the folder {template}")
    assert "`scaffold template URL`" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "address",
    [
        "https://bot:s3cret@localhost:1/t.git",
        "https://s3cret@localhost:1/t.git",
        "git+https://bot:s3cret@localhost:1/t",
        "ssh://git:s3cret@localhost:1/t.git",
        "https://localhost:1/t.git?private_token=s3cret",
    ],
)
def test_a_secret_in_an_address_is_refused_and_not_printed(refused, address):
    said = refused("new", "shop", "--defaults", "--from", address)
    assert "holds a user name, password or token" in said
    assert "s3cret" not in said
    assert "insteadOf" in said


def test_a_secret_that_git_adds_is_not_printed_either(refused, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "url.https://bot:s3cret@localhost:1/.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://git.acme.org/")
    said = refused("new", "shop", "--defaults", "--from", "https://git.acme.org/t.git")
    assert "s3cret" not in said


def test_the_current_folder_is_taken_if_it_is_empty(folder, run, template, monkeypatch):
    (folder / "shop").mkdir()
    monkeypatch.chdir(folder / "shop")
    result = run("new", ".", "--defaults", "--from", str(template))
    assert result.code == 0, result.err
    assert git(folder / "shop", "status", "--porcelain", "--branch") == "## main"
    assert answers(folder / "shop")["project_name"] == "shop"
    assert "  cd " not in result.out


@pytest.mark.parametrize("inside", [False, True])
def test_the_clone_of_an_empty_repository_is_taken(folder, run, template, monkeypatch, inside):
    git(folder, "init", "--quiet", "--bare", "--initial-branch=trunk", "shop.git")
    git(folder, "clone", "--quiet", "shop.git", "web-shop")
    shop = folder / "web-shop"
    git(shop, "config", "user.name", "Ann")
    if inside:
        monkeypatch.chdir(shop)
    where = "." if inside else "web-shop"
    result = run("new", where, "--defaults", "--from", str(template))
    assert result.code == 0, result.err
    assert git(shop, "remote", "get-url", "origin") == str(folder / "shop.git")
    assert git(shop, "log", "--format=%an %s") == "Ann Start web-shop from its template v0.2.0"
    assert git(shop, "status", "--porcelain").splitlines() == []
    git(shop, "push", "--quiet", "origin", "HEAD")
    assert git(folder / "shop.git", "branch") == "* trunk"


def test_a_clone_with_commits_is_refused(folder, refused, template):
    git(folder, "clone", "--quiet", "--no-checkout", str(template), "shop")
    assert "its repository has commits" in refused("new", "shop", "--defaults")


def test_a_hook_that_refuses_leaves_a_clone_as_it_was(folder, run, template):
    git(folder, "init", "--quiet", "shop")
    hook = folder / "shop/.git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\necho no shops >&2; exit 1\n")
    hook.chmod(0o755)
    result = run("new", "shop", "--defaults", "--from", str(template))
    assert (result.code, "no shops" in result.err) == (1, True)
    assert [path.name for path in (folder / "shop").iterdir()] == [".git"]
    assert git(folder / "shop", "status", "--porcelain") == ""


def test_inside_another_repository_none_is_made_and_what_does_not_work_is_said(
    folder, run, template
):
    git(folder, "init", "--quiet")
    result = run("new", "shop", "--defaults", "--from", str(template))
    assert result.code == 0
    assert not (folder / "shop/.git").exists()
    assert f"shop is inside the repository {folder}" in result.err
    assert "CODEOWNERS" in result.err
    assert "not in git yet" in result.out
    nested = run("new", "own", "--git", "--defaults", "--from", str(template))
    assert "is inside" not in nested.err
    assert (folder / "own/.git").is_dir()


def test_a_folder_that_the_repository_around_it_ignores_is_a_repository(folder, run, template):
    git(folder, "init", "--quiet")
    (folder / ".gitignore").write_text("/demo/\n")
    (folder / "demo").mkdir()
    result = run("new", "demo/shop", "--defaults", "--from", str(template))
    assert "is inside" not in result.err
    assert (folder / "demo/shop/.git").is_dir()


@pytest.fixture
def everywhere(tmp_path_factory, monkeypatch) -> Path:
    """Rules of the user's own, that hide part of what is rendered."""
    rules = tmp_path_factory.mktemp("rules") / "ignore"
    rules.write_text("# mine\nREADME*\n")
    for number, (key, value) in enumerate([("core.excludesFile", str(rules))]):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    return rules


@pytest.mark.usefixtures("everywhere")
def test_what_the_users_own_rules_hide_is_committed(folder, run, template):
    result = run("new", "shop", "--defaults", "--from", str(template))
    assert "README.md" in git(folder / "shop", "ls-files").splitlines()
    kept = len(git(folder / "shop", "ls-files").splitlines())
    assert f"({kept} files, committed)" in result.out


def test_what_the_users_own_rules_would_hide_later_is_said(folder, run, template, everywhere):
    said = run("new", "shop", "--no-git", "--defaults", "--from", str(template)).err
    assert f"git will ignore README.md by the rule {everywhere}:2:README*" in said


def test_what_the_repository_around_hides_is_refused_by_its_rule(folder, refused, template):
    git(folder, "init", "--quiet")
    (folder / ".gitignore").write_text("\nmodules/\n")
    said = refused("new", "shop", "--defaults", "--from", str(template))
    assert "by the rule .gitignore:2:modules/" in said


def test_a_parent_that_is_missing_is_refused(refused):
    assert "make it first" in refused("new", "a/shop", "--defaults")


@pytest.mark.usefixtures("without_git")
def test_no_git_is_refused(refused):
    assert "git is not on PATH" in refused("new", "shop", "--defaults")


def test_no_name_for_the_commit_is_refused_before_anything(folder, run, template, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for number, (key, value) in enumerate([("user.useConfigOnly", "true")]):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    result = run("new", "shop", "--defaults", "--from", str(template))
    assert result.code == 1
    assert "git does not know who you are" in result.err
    assert "--no-git" in result.err
    assert list(folder.iterdir()) == []
    assert run("new", "shop", "--defaults", "--no-git", "--from", str(template)).code == 0


@pytest.mark.slow
def test_a_killed_run_leaves_one_hidden_folder(folder, template, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("scratch")))
    new = ("new", "shop", "--defaults", "--from", str(template))
    killed = subprocess.run(
        command_struck(signal.SIGKILL, "open", "/.shop.scaffold-", *new),
        cwd=folder,
        start_new_session=True,
    )
    assert killed.returncode == -signal.SIGKILL
    assert all(path.name.startswith(".shop.scaffold-") for path in folder.iterdir())
    again = process(*new, cwd=folder)
    assert again.returncode == 0, again.stderr


@pytest.mark.slow
def test_it_asks_on_a_terminal_and_offers_the_folders_name(folder, template):
    child, terminal = pty.fork()
    if child == 0:
        os.execvp("env", command("new", "web-shop", "--from", str(template), "--no-git"))
    said = b""
    deadline = time.monotonic() + 240
    os.set_blocking(terminal, False)
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        assert time.monotonic() < deadline, said
        time.sleep(0.3)
        try:
            said += os.read(terminal, 65536)
            os.write(terminal, b"\r")
        except OSError:
            continue
    assert b"Name of the product" in said
    assert answers(folder / "web-shop")["project_name"] == "web-shop"
