"""Repositories of this template's real past lose their answers, edits and all, and are updated."""

from pathlib import Path

import pytest
from generated import ROOT
from helpers import git
from histories import on_disk, write
from test_update_history import KEPT, Team, check, past, rendered

from scaffold.adopting.adopt import adopt, look
from scaffold.update import update

pytestmark = pytest.mark.updates


@pytest.mark.parametrize("commit", past()[1::5])
def test_the_version_is_found_and_an_update_follows_from_there(commit: str, tmp_path: Path) -> None:
    base, head = rendered(commit), git(ROOT, "rev-parse", "HEAD")
    team = Team(base)
    team.edit()
    kept = {path: file for path, file in team.files.items() if ".copier-answers" not in path}
    shop = tmp_path / "shop"
    write(shop, [("start", kept)])
    found = look(shop, source=str(ROOT), ref=None)
    assert found is not None
    adopt(found)
    fits = rendered(found.app.version)
    differ = {path for path in base.keys() | fits.keys() if base.get(path) != fits.get(path)}
    # Between versions that differ in a file that the team has deleted, nothing can tell.
    assert {path for path in differ if ".copier-answers" not in path} <= {*team.deleted}
    assert {each.version for each in found.modules.values()} == {found.app.version}
    git(shop, "add", "--all")
    git(shop, "commit", "--quiet", "--message", "Adopt")
    done = update(shop, to=head)
    was_asked = b"\ndeploy:" in base[".copier-answers.yml"][1]
    answers = {**({} if was_asked else KEPT), "modules": "[billing, catalog, ordering]"}
    theirs = rendered(head, answers)
    theirs["CODEOWNERS"] = rendered(head)["CODEOWNERS"]  # Billing was never in it.
    check(team, fits, theirs, on_disk(shop), done)
