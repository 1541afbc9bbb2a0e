"""What names a fleet: a file, a folder, an address."""

from pathlib import Path

import pytest

from scaffold.errors import ScaffoldError
from scaffold.fleet.listing import members


def repository(folder: Path) -> Path:
    (folder / ".git").mkdir(parents=True)
    (folder / ".copier-answers.yml").touch()
    return folder


def test_a_file_lists_paths_from_where_it_is_and_addresses(tmp_path: Path) -> None:
    shop = repository(tmp_path / "src/shop")
    file = tmp_path / "fleet.txt"
    file.write_text(
        "# Ours\n\nsrc/shop  # the first\n  git@git.acme.org:payments/billing.git\ngh:acme/web#1\n"
    )
    found = members([str(file)])
    assert [each.given for each in found] == [
        str(shop),
        "git@git.acme.org:payments/billing.git",
        "gh:acme/web#1",
    ]
    assert [each.name for each in found] == ["shop", "billing", "web#1"]
    assert not any(each.problem for each in found)


def test_a_typo_is_a_sentence_with_its_line_and_the_others_go_on(tmp_path: Path) -> None:
    repository(tmp_path / "shop")
    file = tmp_path / "fleet.txt"
    file.write_text("shop\nshpo\nhttps://me:secret@git.acme.org/x.git\n")
    one, typo, secret = members([str(file)])
    assert not one.problem
    assert typo.problem == "fleet.txt:2: shpo is no folder and no address of git"
    assert secret.problem.startswith("fleet.txt:3: the address https://***@git.acme.org/x.git")
    assert "secret" not in secret.given


def test_a_folder_is_searched_two_folders_down(tmp_path: Path) -> None:
    for name in ("shop", "team/billing", "team/deep/er"):
        repository(tmp_path / name)
    (tmp_path / "other/.git").mkdir(parents=True)
    repository(tmp_path / "other/vendored")
    assert [each.name for each in members([str(tmp_path)])] == ["shop", "billing"]


def test_names_differ(tmp_path: Path) -> None:
    for name in ("a/shop", "b/shop"):
        repository(tmp_path / name)
    assert [each.name for each in members([str(tmp_path)])] == ["a/shop", "b/shop"]


@pytest.mark.parametrize("given", ["fleet.txt", "empty"])
def test_what_names_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    with pytest.raises(ScaffoldError, match=given):
        members([given])
