"""How a template's address is written."""

import pytest

from scaffold import addresses


@pytest.mark.parametrize(
    ("given", "git", "copier"),
    [
        ("gh:acme/t", "https://github.com/acme/t.git", "https://github.com/acme/t.git"),
        ("gh:/acme/t.git", "https://github.com/acme/t.git", "https://github.com/acme/t.git"),
        ("gl:acme/x/t/", "https://gitlab.com/acme/x/t.git", "https://gitlab.com/acme/x/t.git"),
        ("https://git.acme.org/t.git", "https://git.acme.org/t.git", "https://git.acme.org/t.git"),
        ("https://git.acme.org/t", "https://git.acme.org/t", "git+https://git.acme.org/t"),
        ("git+https://git.acme.org/t", "https://git.acme.org/t", "git+https://git.acme.org/t"),
        ("https://github.com/acme/t", "https://github.com/acme/t", "https://github.com/acme/t"),
        ("file:///srv/t", "file:///srv/t", "git+file:///srv/t"),
        ("git@acme.org:t", "git@acme.org:t", "git@acme.org:t"),
        ("work:acme/t", "work:acme/t", "git+work:acme/t"),
        ("ssh://git@acme.org:2222/t", "ssh://git@acme.org:2222/t", "git+ssh://git@acme.org:2222/t"),
    ],
)
def test_an_address_is_spelled_for_git_and_for_copier_alike(given, git, copier):
    from copier._vcs import get_repo

    assert addresses.is_remote(given)
    assert addresses.for_git(given) == git
    assert addresses.for_copier(given) == copier
    assert get_repo(copier).removesuffix(".git") == git.removesuffix(".git")
    assert addresses.for_copier(copier) == copier


@pytest.mark.parametrize("path", ["template", "/srv/t.git", "../t", "~/t", "C:\\t", "a/b:c"])
def test_a_path_is_no_address(path):
    assert not addresses.is_remote(path)


def test_a_folder_that_is_there_is_no_alias_of_ssh(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "work:t").mkdir()
    assert not addresses.is_remote("work:t")


@pytest.mark.parametrize(
    ("address", "without"),
    [
        ("https://bot:s3cret@acme.org/t.git", "https://acme.org/t.git"),
        ("https://s3cret@acme.org/t.git", "https://acme.org/t.git"),
        ("HTTPS://a:s3@cret@acme.org/t.git", "HTTPS://acme.org/t.git"),
        ("git+https://s3cret@acme.org/t", "git+https://acme.org/t"),
        ("ssh://git:s3cret@acme.org/t", "ssh://acme.org/t"),
        ("https://acme.org/t.git?access_token=s3cret", "https://acme.org/t.git"),
    ],
)
def test_a_secret_is_seen_taken_out_and_blackened(address, without):
    assert addresses.has_secret(address)
    assert addresses.without_secret(address) == without
    said = addresses.redact(f"fatal: unable to access '{address}/': no")
    assert "s3cret" not in said
    assert "cret" not in said
    assert "acme.org" in said


@pytest.mark.parametrize(
    "address",
    ["git@acme.org:t.git", "ssh://git@acme.org/t.git", "https://acme.org/a@b/t.git", "/srv/a@b"],
)
def test_what_is_no_secret_stays(address):
    assert not addresses.has_secret(address)
    assert addresses.without_secret(address) == address
    assert addresses.redact(address) == address


@pytest.mark.parametrize(
    ("one", "other", "are"),
    [
        ("https://github.com/acme/t", "git@github.com:acme/t.git", True),
        ("ssh://git@GitHub.com/acme/t.git", "gh:acme/t", True),
        ("git+https://acme.org/t", "https://acme.org/t/", True),
        ("https://acme.org/t.git", "https://acme.org/fork/t.git", False),
        ("https://acme.org/t.git", "https://acme.com/t.git", False),
        ("/srv/t", "/srv/t", True),
        ("/srv/t", "https://acme.org/srv/t", False),
    ],
)
def test_addresses_of_one_repository_are_the_same(one, other, are):
    assert addresses.same(one, other) is are
