"""Where the template comes from, and what is recorded of it."""

import json
import os
import shutil
from pathlib import Path

import pytest

from scaffold import git, origin
from scaffold.errors import ScaffoldError


@pytest.fixture
def checkout(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A template of one's own, which is also where scaffold runs from."""
    folder = tmp_path / "template"
    shutil.copytree(template, folder)
    monkeypatch.setattr(origin, "_CODE", folder)
    return folder


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """scaffold as pip installs it, without a checkout; returns its dist-info."""
    monkeypatch.setattr(origin, "_CODE", tmp_path)
    info = tmp_path / "site" / "scaffold_monolith-1.2.3.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: scaffold-monolith\nVersion: 1.2.3\n"
    )
    monkeypatch.syspath_prepend(str(info.parent))
    return info


def test_a_checkout_is_recorded_at_its_commit(checkout):
    assert origin.find(None, None) == origin.Origin(str(checkout), git.head(checkout))


def test_a_checkout_can_be_asked_for_a_version(checkout):
    assert origin.find(None, "v0.1.0") == origin.Origin(str(checkout), "v0.1.0")


@pytest.mark.parametrize("file", ["copier.yml", "template/README.md.jinja", "template/new"])
def test_a_checkout_with_uncommitted_changes_is_refused(checkout, file):
    with (checkout / file).open("a") as changed:
        changed.write("\n# changed\n")
    with pytest.raises(ScaffoldError, match=f"uncommitted changes .*{file}.*--ref"):
        origin.find(None, None)
    assert origin.find(None, "v0.1.0").version == "v0.1.0"


def test_changes_beside_the_template_do_not_matter(checkout):
    (checkout / "notes.txt").write_text("mine")
    assert origin.find(None, None).version == git.head(checkout)


def test_a_template_without_a_commit_is_refused(checkout):
    shutil.rmtree(checkout / ".git")
    git.run("init", cwd=checkout)
    with pytest.raises(ScaffoldError, match="has no commit yet"):
        origin.find(None, None)


@pytest.mark.parametrize(
    ("url", "recorded"),
    [
        ("https://git.acme.org/x/scaffold", "git+https://git.acme.org/x/scaffold"),
        ("https://git.acme.org/x/scaffold.git", "https://git.acme.org/x/scaffold.git"),
        ("https://github.com/x/scaffold", "https://github.com/x/scaffold"),
        ("ssh://git@acme.org/scaffold", "git+ssh://git@acme.org/scaffold"),
    ],
)
def test_installed_from_git_it_is_that_commit(installed, url, recorded):
    direct = {"url": url, "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}}
    (installed / "direct_url.json").write_text(json.dumps(direct))
    assert origin.find(None, None) == origin.Origin(recorded, "c0ffee")


def test_installed_from_a_checkout_it_is_that_checkout(installed, template):
    direct = {"url": template.as_uri(), "dir_info": {}}
    (installed / "direct_url.json").write_text(json.dumps(direct))
    assert origin.find(None, None) == origin.Origin(str(template), git.head(template))


def test_installed_from_an_index_it_is_the_tag_of_its_version(installed):
    with (installed / "METADATA").open("a") as metadata:
        metadata.write("Project-URL: Docs, https://x.org\n")
        metadata.write("Project-URL: Source, https://git.acme.org/scaffold.git\n")
    assert origin.find(None, None) == origin.Origin("https://git.acme.org/scaffold.git", "v1.2.3")


@pytest.mark.usefixtures("installed")
def test_an_installation_that_does_not_say_is_refused():
    with pytest.raises(ScaffoldError, match="name one with --from"):
        origin.find(None, None)


def test_no_installation_at_all_is_refused(installed, monkeypatch):
    monkeypatch.setattr(origin, "DISTRIBUTION", "scaffold-that-nobody-installed")
    with pytest.raises(ScaffoldError, match="name one with --from"):
        origin.find(None, None)


def test_a_given_path_is_recorded_absolute_at_its_newest_release(template, monkeypatch):
    monkeypatch.chdir(template.parent)
    assert origin.find(template.name, None) == origin.Origin(str(template), None)


def test_a_given_path_without_releases_is_recorded_at_its_commit(checkout):
    git.run("tag", "--delete", "v0.1.0", "v0.2.0", cwd=checkout)
    assert origin.find(str(checkout), None).version == git.head(checkout)
    assert origin.find(str(checkout), "HEAD").version == git.head(checkout)


def test_a_given_path_at_head_with_uncommitted_changes_is_refused(checkout):
    (checkout / "copier.yml").write_text("changed: {}\n")
    with pytest.raises(ScaffoldError, match="uncommitted changes"):
        origin.find(str(checkout), "HEAD")


@pytest.mark.parametrize(
    "url", ["gh:acme/scaffold", "git@acme.org:x.git", "https://acme.org/x.git", "git+ssh://a/b"]
)
def test_a_given_url_is_left_to_copier(url):
    assert origin.find(url, "v1") == origin.Origin(url, "v1")


def test_a_given_path_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ScaffoldError, match="is not there"):
        origin.find(str(tmp_path / "gone"), None)


def test_a_given_path_that_is_no_repository_is_refused(template, tmp_path):
    shutil.copytree(template, tmp_path / "plain", ignore=shutil.ignore_patterns(".git"))
    with pytest.raises(ScaffoldError, match="not the top of a git repository"):
        origin.find(str(tmp_path / "plain"), None)


def test_a_recorded_relative_path_is_refused():
    with pytest.raises(ScaffoldError, match=r"relative path '\.\./template'"):
        origin.need_local("../template")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_template_of_somebody_else_is_refused_with_what_git_says(checkout):
    os.chown(checkout, 12345, 12345)
    os.chown(checkout / ".git", 12345, 12345)
    with pytest.raises(ScaffoldError, match="dubious ownership"):
        origin.need_local(str(checkout))
