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


def test_a_commit_without_a_name_is_refused_before(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.useConfigOnly")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ScaffoldError, match=r"user\.email.*--no-git"):
        git.need_identity()


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
