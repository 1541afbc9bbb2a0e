"""Where a template is found, and what is recorded of it."""

import json
import os
import shutil
from pathlib import Path

import pytest
from helpers import git as run_git

from scaffold import bundled, git, installation, origin
from scaffold.errors import ScaffoldError

URL = "https://git.acme.org/template.git"
pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def checkout(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A template of one's own, which is also where scaffold runs from."""
    folder = tmp_path / "template"
    shutil.copytree(template, folder)
    monkeypatch.setattr(installation, "_CODE", folder)
    return folder


@pytest.fixture
def installed(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """scaffold 1.2.3 as pip installs it, with its template and no checkout; returns its dist-info."""
    monkeypatch.setattr(installation, "_CODE", tmp_path)
    site = tmp_path / "site"
    shutil.copytree(template, site / "_template", ignore=shutil.ignore_patterns(".git"))
    monkeypatch.setattr(bundled, "FILES", site / "_template")
    info = site / "scaffold_monolith-1.2.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: scaffold-monolith\nVersion: 1.2.3\n"
    )
    monkeypatch.syspath_prepend(str(site))
    return info


def state(info: Path, *urls: str) -> None:
    with (info / "METADATA").open("a") as metadata:
        metadata.writelines(f"Project-URL: {url}\n" for url in urls)


def recorded(found: origin.Origin) -> tuple[str, str]:
    return found.source, found.version


def publish(checkout: Path, url: str = URL, ref: str = "main") -> None:
    """Give a checkout a remote that has its branch, as far as the checkout knows."""
    git.run("remote", "add", "origin", url, cwd=checkout)
    git.run("update-ref", "refs/remotes/origin/main", ref, cwd=checkout)


# A new repository, from a checkout.


def test_a_checkout_without_a_remote_is_recorded_as_a_folder_with_a_warning(checkout):
    found = origin.find(None, None)
    assert recorded(found) == (str(checkout), git.head(checkout))
    assert found.revision == git.head(checkout)
    assert "no address that others can reach" in found.warnings[0]
    assert "`scaffold template URL`" in found.warnings[0]


@pytest.mark.parametrize(
    ("remote", "source"),
    [
        (URL, URL),
        ("https://git.acme.org/template", "git+https://git.acme.org/template"),
        ("https://github.com/acme/template", "https://github.com/acme/template"),
        ("https://bot:s3cret@git.acme.org/template.git", URL),
        ("https://gh_token@git.acme.org/template.git", URL),
        ("git@git.acme.org:x/template.git", "git@git.acme.org:x/template.git"),
        ("work:acme/template", "git+work:acme/template"),
    ],
)
def test_a_checkout_is_recorded_by_the_address_of_its_remote(checkout, remote, source):
    publish(checkout, remote)
    found = origin.find(None, None)
    assert recorded(found) == (source, git.head(checkout))
    assert found.place == str(checkout)
    assert found.warnings == ()


def test_a_commit_that_was_not_pushed_is_named(checkout):
    publish(checkout, ref="v0.2.0")
    assert (
        f"{git.head(checkout)} of the template is not on {URL}"
        in origin.find(None, None).warnings[0]
    )
    assert origin.find(None, "v0.2.0").warnings == ()


def test_a_remote_on_this_machine_is_nothing_to_others(checkout, tmp_path):
    publish(checkout, str(tmp_path / "elsewhere"))
    found = origin.find(None, None)
    assert found.source == str(checkout)
    assert found.warnings


def test_a_checkout_can_be_asked_for_a_version(checkout):
    found = origin.find(None, "v0.1.0")
    assert recorded(found) == (str(checkout), "v0.1.0")
    assert found.revision == run_git(checkout, "rev-parse", "v0.1.0")


@pytest.mark.parametrize("moving", ["latest", "main", "HEAD"])
def test_what_moves_is_recorded_as_the_release_at_that_commit_or_its_hash(checkout, moving):
    git.run("tag", "latest", cwd=checkout)
    assert origin.find(None, moving).version == git.head(checkout)
    git.run("tag", "v0.3.0", cwd=checkout)
    assert origin.find(None, moving).version == "v0.3.0"
    assert origin.find(None, "v0.3.0").version == "v0.3.0"
    assert origin.find(None, git.head(checkout)).version == git.head(checkout)


def test_of_two_releases_of_a_commit_the_one_asked_for_is_recorded(checkout):
    git.run("tag", "v0.2.1", "v0.2.0", cwd=checkout)
    assert origin.find(None, "v0.2.0").version == "v0.2.0"


def test_a_described_version_is_recorded_by_its_hash(checkout):
    described = git.run("describe", "--tags", cwd=checkout)
    assert origin.find(None, described).version == git.head(checkout)


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


# A new repository, from an installed wheel.


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://git.acme.org/x/scaffold", "git+https://git.acme.org/x/scaffold"),
        ("https://git.acme.org/x/scaffold.git", "https://git.acme.org/x/scaffold.git"),
        ("https://****@git.acme.org/x.git", "https://git.acme.org/x.git"),
        ("https://github.com/x/scaffold", "https://github.com/x/scaffold"),
        ("ssh://git@acme.org/scaffold", "git+ssh://git@acme.org/scaffold"),
    ],
)
@pytest.mark.parametrize(
    ("requested", "version"), [("v1.2.3", "v1.2.3"), ("main", "c0ffee"), (None, "c0ffee")]
)
def test_installed_from_git_it_is_what_was_asked_for_there(
    installed, url, source, requested, version
):
    asked = {"vcs": "git", "commit_id": "c0ffee", "requested_revision": requested}
    (installed / "direct_url.json").write_text(json.dumps({"url": url, "vcs_info": asked}))
    found = origin.find(None, None)
    assert recorded(found) == (source, version)
    assert Path(found.place, ".git").is_dir()


def test_installed_from_a_checkout_it_is_that_checkout(installed, template):
    direct = {"url": template.as_uri(), "dir_info": {}}
    (installed / "direct_url.json").write_text(json.dumps(direct))
    assert recorded(origin.find(None, None)) == (str(template), git.head(template))


def test_installed_from_a_checkout_that_is_gone_it_is_what_it_brings(installed, tmp_path):
    direct = {"url": (tmp_path / "gone").as_uri(), "dir_info": {}}
    (installed / "direct_url.json").write_text(json.dumps(direct))
    assert recorded(origin.find(None, None)) == (bundled.ADDRESS, "v1.2.3")


def test_installed_from_an_index_it_is_the_release_at_the_stated_address(installed):
    state(installed, "Docs, https://x.org", f"Source, {URL}")
    found = origin.find(None, None)
    assert recorded(found) == (URL, "v1.2.3")
    assert found.warnings == ()


def test_installed_with_no_address_it_is_what_each_home_has_with_a_warning(installed, home):
    found = origin.find(None, None)
    assert recorded(found) == ("~/.cache/scaffold-monolith/template", "v1.2.3")
    assert found.place == str(home / ".cache/scaffold-monolith/template")
    assert "no address that others can reach" in found.warnings[0]


def test_what_is_brought_is_the_same_commit_in_every_home(installed, tmp_path, monkeypatch):
    first = origin.find(None, None).revision
    compiled = bundled.FILES / "template" / "__pycache__"
    compiled.mkdir()
    (compiled / "x.pyc").write_text("of this machine")
    for number, (key, value) in enumerate([("core.autocrlf", "true"), ("user.name", "Other")]):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "2")
    monkeypatch.setenv("HOME", str(tmp_path))
    second = origin.find(None, None)
    assert second.revision == first
    assert second.place.startswith(str(tmp_path / ".cache"))


@pytest.mark.usefixtures("installed")
def test_what_is_brought_anew_takes_the_place_of_what_was_and_comes_back():
    first = origin.find(None, None)
    file = bundled.FILES / "template" / "README.md.jinja"
    before = file.read_text()
    file.write_text("rebuilt\n")
    second = origin.find(None, None)
    assert second.revision != first.revision
    assert run_git(Path(second.place), "show", "v1.2.3:template/README.md.jinja") == "rebuilt"
    file.write_text(before)
    assert origin.find(None, None).revision == first.revision
    assert run_git(Path(second.place), "rev-parse", "v1.2.3") == first.revision


@pytest.mark.usefixtures("installed")
def test_an_installation_has_no_other_version_than_its_own():
    assert origin.find(None, "v1.2.3").version == "v1.2.3"
    with pytest.raises(ScaffoldError, match=r"brings v1\.2\.3 of its template and no v1\.0\.0"):
        origin.find(None, "v1.0.0")


def test_an_installation_without_a_template_is_refused(installed):
    shutil.rmtree(bundled.FILES)
    with pytest.raises(ScaffoldError, match="name one with --from"):
        origin.find(None, None)


# A new repository, from what the user names.


def test_a_given_path_is_recorded_absolute_at_its_newest_release(template, monkeypatch):
    monkeypatch.chdir(template.parent)
    assert recorded(origin.find(template.name, None)) == (str(template), "v0.2.0")


def test_a_given_path_without_releases_is_recorded_at_its_commit(checkout):
    git.run("tag", "--delete", "v0.1.0", "v0.2.0", cwd=checkout)
    git.run("tag", "latest", cwd=checkout)
    git.run("tag", "v1.0.0rc1", "HEAD~1", cwd=checkout)
    assert origin.find(str(checkout), None).version == git.head(checkout)
    assert origin.find(str(checkout), "HEAD").version == git.head(checkout)


def test_a_given_path_at_head_with_uncommitted_changes_is_refused(checkout):
    (checkout / "copier.yml").write_text("changed: {}\n")
    with pytest.raises(ScaffoldError, match="uncommitted changes"):
        origin.find(str(checkout), "HEAD")


def test_a_given_path_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ScaffoldError, match="is not there"):
        origin.find(str(tmp_path / "gone"), None)


def test_a_given_path_that_is_no_repository_is_refused(template, tmp_path):
    shutil.copytree(template, tmp_path / "plain", ignore=shutil.ignore_patterns(".git"))
    with pytest.raises(ScaffoldError, match="not the top of a git repository"):
        origin.find(str(tmp_path / "plain"), None)


@pytest.fixture
def bare(checkout: Path, tmp_path: Path) -> Path:
    """A repository that is asked for over git's own protocols."""
    git.run("clone", "--quiet", "--bare", str(checkout), "served", cwd=tmp_path)
    return tmp_path / "served"


def test_a_given_url_is_recorded_as_copier_takes_it_at_its_newest_release(bare):
    found = origin.find(bare.as_uri(), None)
    assert recorded(found) == (f"git+{bare.as_uri()}", "v0.2.0")
    git.run("tag", "v0.3.0", "main", cwd=bare)
    assert origin.find(bare.as_uri(), None).version == "v0.3.0"
    assert origin.find(bare.as_uri(), "main").version == "v0.3.0"


def test_an_alias_of_ssh_is_an_address_and_git_says_what_failed(tmp_path, monkeypatch, bare):
    script = tmp_path / "ssh"
    script.write_text('#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n')
    script.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(script))
    alias = f"work:{bare}"
    assert recorded(origin.find(alias, None)) == (f"git+{alias}", "v0.2.0")
    script.write_text(
        "#!/bin/sh\necho 'Warning: Permanently added x' >&2\n"
        "echo 'work: Permission denied (publickey).' >&2; exit 255\n"
    )
    with pytest.raises(ScaffoldError) as refused:
        origin.find("other:acme/t", None)
    assert str(refused.value) == (
        "other:acme/t cannot be reached: work: Permission denied (publickey)."
    )


def test_a_shorthand_is_recorded_as_the_address_it_stands_for(bare, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{bare}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://github.com/acme/t.git")
    assert recorded(origin.find("gh:acme/t", None)) == ("https://github.com/acme/t.git", "v0.2.0")


# What a repository records, found again.


def test_a_checkout_of_the_same_repository_serves_without_asking(checkout):
    publish(checkout, "git@git.acme.org:template")
    found = origin.recall(URL, "v0.1.0", None)
    assert (recorded(found), found.place) == ((URL, "v0.1.0"), str(checkout))


def test_a_commit_is_the_same_in_whatever_checkout(checkout):
    commit = git.head(checkout)
    for version in (commit, git.run("describe", "--tags", cwd=checkout), commit[:9]):
        found = origin.recall("/home/ann/template", version, None)
        assert (recorded(found), found.place) == (("/home/ann/template", version), str(checkout))
        assert found.revision == commit


@pytest.mark.usefixtures("checkout")
def test_a_tag_of_another_repository_is_not_taken_for_the_recorded_one():
    with pytest.raises(ScaffoldError, match=r"https://localhost:1/fork\.git cannot be reached"):
        origin.recall("https://localhost:1/fork.git", "v0.1.0", None)


def test_a_folder_that_is_not_here_gives_way_to_what_scaffold_brings_and_says_so(checkout):
    said: list[str] = []
    found = origin.recall("/home/ann/template", "v0.1.0", None, said.append)
    assert found.place == str(checkout)
    assert said == [
        "/home/ann/template is not on this machine: taking v0.1.0 as scaffold brings it"
    ]
    with pytest.raises(ScaffoldError, match=r"/home/ann/template is not there.*scaffold template"):
        origin.recall("/home/ann/template", "v9.9.9", None)


def test_an_installation_serves_the_release_it_brings(installed):
    state(installed, f"Source, {URL}")
    assert origin.recall(URL, "v1.2.3", None).place.endswith("/scaffold-monolith/template")
    assert origin.recall("/home/ann/template", "v1.2.3", None).version == "v1.2.3"
    with pytest.raises(ScaffoldError, match="cannot be reached"):
        origin.recall("https://localhost:1/fork.git", "v1.2.3", None)


def test_an_address_is_asked_once_for_a_version_and_then_no_more(bare):
    first = origin.recall(f"git+{bare.as_uri()}", "v0.1.0", None)
    bare.rename(bare.with_name("unreachable"))
    assert origin.recall(f"git+{bare.as_uri()}", "v0.1.0", None) == first
    with pytest.raises(ScaffoldError, match=r"does not exist|not appear to be a git"):
        origin.recall(f"git+{bare.as_uri()}", "v0.4.0", None)


def test_a_release_that_came_later_is_asked_for(bare):
    origin.recall(bare.as_uri(), "v0.1.0", None)
    git.run("tag", "v0.3.0", "main", cwd=bare)
    assert origin.recall(bare.as_uri(), "v0.3.0", None).version == "v0.3.0"


def test_where_the_user_says_counts_before_all_and_is_not_recorded(checkout, bare):
    for given in (str(bare), bare.as_uri()):
        found = origin.recall(URL, "v0.1.0", given)
        assert recorded(found) == (URL, "v0.1.0")
        assert found.place != str(checkout)
    with pytest.raises(ScaffoldError, match=r"has no version v9, .* with --from"):
        origin.recall(URL, "v9", str(bare))


def test_a_recorded_relative_path_is_refused():
    with pytest.raises(ScaffoldError, match=r"relative path '\.\./template'"):
        origin.need_local("../template")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_template_of_somebody_else_is_refused_with_what_git_says(checkout):
    os.chown(checkout, 12345, 12345)
    os.chown(checkout / ".git", 12345, 12345)
    with pytest.raises(ScaffoldError, match="dubious ownership"):
        origin.need_local(str(checkout))
