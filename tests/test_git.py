"""What is asked of git."""

import os
from pathlib import Path

import pytest

from scaffold import git
from scaffold.errors import ScaffoldError


@pytest.mark.usefixtures("without_git")
def test_no_git_is_said_in_one_sentence():
    with pytest.raises(ScaffoldError, match="git is not on PATH"):
        git.need()


def test_a_hook_does_not_point_us_at_its_repository(monkeypatch):
    monkeypatch.setenv("GIT_DIR", "/somewhere/.git")
    git.need()
    assert "GIT_DIR" not in os.environ


def test_only_the_top_of_a_repository_is_one(template, tmp_path):
    assert git.is_root(template)
    assert not git.is_root(template / "template")
    assert not git.is_root(tmp_path)


def test_a_bare_repository_is_one(tmp_path):
    git.run("init", "--bare", "bare", cwd=tmp_path)
    assert git.is_root(tmp_path / "bare")


def test_a_described_version_names_a_commit(template):
    described = git.run("describe", "--tags", cwd=template)
    assert described.startswith("v0.2.0-1-g")
    assert git.has_commit(template, described)
    assert not git.has_commit(template, "v9.9.9")


def test_a_failure_says_what_git_said(tmp_path):
    with pytest.raises(ScaffoldError, match=rf"git log failed in {tmp_path}: fatal: not a git"):
        git.run("log", cwd=tmp_path)


SSH = """{first}
fatal: Could not read from remote repository.

Please make sure you have the correct access rights
and the repository exists.
"""


@pytest.mark.parametrize(
    "cause",
    [
        "ssh: Could not resolve hostname work: Name or service not known",
        "ssh: connect to host acme.org port 22: Connection refused",
        "ssh: connect to host acme.org port 22: Connection timed out",
        "git@acme.org: Permission denied (publickey).",
        "Host key verification failed.",
        "kex_exchange_identification: Connection closed by remote host",
        "ERROR: Repository not found.",
        "Bad owner or permissions on /home/ann/.ssh/config",
        "fatal: unable to access 'https://acme.org/t.git/': Could not resolve host: acme.org",
        "fatal: Authentication failed for 'https://acme.org/t.git/'",
        "fatal: could not read Username for 'https://acme.org': No such device or address",
        "fatal: repository 'https://acme.org/t.git/' not found",
        "fatal: '/srv/gone' does not appear to be a git repository",
        "fatal: detected dubious ownership in repository at '/srv/t'",
    ],
)
@pytest.mark.parametrize(
    "before",
    [
        "",
        "Cloning into 'x'...\n",
        "Warning: Permanently added 'x' (ED25519) to the list.\n",
        "@@@@@\n",
    ],
)
def test_of_all_that_git_says_the_cause_is_taken(before, cause):
    assert git.reason(SSH.format(first=before + cause)) == cause
    assert git.reason(f"{before}{cause}\n") == cause


def test_without_a_cause_there_is_still_something_said():
    assert git.reason("fatal: Could not read from remote repository.\n") == (
        "fatal: Could not read from remote repository."
    )
    assert git.reason("") == "no reason given"


@pytest.mark.parametrize(
    ("revision", "found"),
    [("HEAD~", False), ("main", False), ("v0.2.0", False), ("{hash}", True), ("{short}", True)],
)
def test_a_hash_is_told_from_what_may_move(template, revision, found):
    full = git.head(template)
    spelled = revision.format(hash=full, short=full[:8])
    assert (git.by_hash(template, spelled) == full) is found
    assert git.by_hash(template, "v9.0.0-1-g" + full[:7]) == full
    assert git.by_hash(template, "0" * 40) is None


def test_a_commit_without_a_name_is_refused_before(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.useConfigOnly")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ScaffoldError, match=r"set .*user\.email`$"):
        git.need_identity()


def test_a_failure_names_the_command_and_not_its_settings(tmp_path):
    with pytest.raises(ScaffoldError, match="git push failed in"):
        git.run("-c", "core.hooksPath=/dev/null", "push", cwd=tmp_path)


def test_a_hook_that_fails_is_said_in_one_sentence(monkeypatch, tmp_path: Path):
    hook = tmp_path / "hooks" / "pre-commit"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\necho no tabs allowed >&2\nexit 1\n")
    hook.chmod(0o755)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.hooksPath")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(hook.parent))
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "a").write_text("a")
    with pytest.raises(ScaffoldError, match="no tabs allowed; mend that, or pass --no-git"):
        git.first_commit(shop, "Start")
