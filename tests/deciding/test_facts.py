"""What a repository says about the questions."""

from helpers import git

from scaffold.deciding import committed, facts

BILLING, CATALOG, ORDERING = (
    f"src/app/modules/{name}/service.py" for name in ("billing", "catalog", "ordering")
)


def gathered(root):
    return {fact.about: fact for fact in facts.gather(root, None).found}


def test_people_of_the_last_year_are_counted_once_and_robots_never(planted, plant):
    plant("Ada Byron", [BILLING])
    plant("Ada Byron", [CATALOG], address="ada@home.org")
    plant("ada", [CATALOG], address="ada.byron@acme.org")
    plant("Bea", [CATALOG, "README.md"])
    plant("renovate[bot]", ["pyproject.toml"])
    plant("dependabot", ["pyproject.toml"])
    plant("Long Gone", [ORDERING], days=500)
    found = facts.gather(planted, None)
    assert dict(found.answers)["engineers"] == 2
    assert found.about("engineers")[0].text == (
        "2 people committed in the last year (catalog 2, billing 1)"
    )


def test_owners_are_those_of_the_last_line_that_matches(planted):
    found = facts.gather(planted, None)
    assert dict(found.answers) == {"teams": 2}
    (fact,) = found.about("teams")
    assert fact.source == "CODEOWNERS"
    assert (
        fact.text
        == "2 owners of 3 modules (@acme/team: catalog, ordering; @acme/payments: billing)"
    )


def test_without_codeowners_modules_say_who_owns_them(planted):
    (planted / "CODEOWNERS").unlink()
    (planted / "src/app/modules/catalog/module.toml").write_text("owner = ")
    (fact,) = facts.gather(planted, None).about("teams")
    assert (fact.source, fact.data["owners"]) == (
        "module.toml",
        {"billing": "@acme/team", "ordering": "@acme/team"},
    )


def test_modules_that_change_together_are_told(planted, plant):
    for number in range(12):
        plant("Ada", [BILLING, ORDERING] if number < 6 else [BILLING])
    for _ in range(4):
        plant("Ada", [ORDERING])
    (fact,) = facts.gather(planted, None).about("products")
    assert fact.text.startswith("6 of 10 commits to ordering change billing too (60%)")
    assert fact.data == {"modules": ["ordering", "billing"], "commits": 10, "both": 6}


def test_a_few_commits_together_say_nothing(planted, plant):
    for _ in range(9):
        plant("Ada", [BILLING, ORDERING])
    assert facts.gather(planted, None).about("products") == []


def test_updates_and_reformatting_couple_nothing(planted, plant):
    (planted / "src/app/modules/stock").mkdir()
    (planted / "src/app/modules/stock/__init__.py").touch()
    for _ in range(12):
        plant("Ada", [BILLING, CATALOG, ORDERING, "src/app/modules/stock/service.py"])
    found = facts.gather(planted, None)
    assert found.about("products") == []
    assert found.about("engineers")[0].data["by_module"]["billing"] == 1


def test_odd_names_and_patterns_are_survived(planted, plant):
    plant("Ada\x1e \x1fByron \u2028X", [BILLING], address="a\x1f@acme.org")
    plant("Bea", [CATALOG, "src/app/modules/catalog/q\u2028\x1e.py", "\x1ex\tü.py"])
    with (planted / "CODEOWNERS").open("a") as file:
        file.write("\\ @acme/x\n/[ @acme/y\n*** @acme/team\n[Docs][2] @acme/z\n!src @acme/w\n")
    found = gathered(planted)
    assert found["engineers"].data["by_module"] == {"billing": 1, "catalog": 1, "ordering": 0}
    assert set(found["teams"].data["owners"].values()) == {"@acme/team"}


def test_without_git_owners_are_told_all_the_same(planted, monkeypatch):
    monkeypatch.setenv("PATH", str(planted))
    assert set(gathered(planted)) == {"teams"}


def test_a_product_in_a_folder_of_a_larger_repository_has_its_own_people(tmp_path, planted, plant):
    plant("Ada", [BILLING])
    whole = tmp_path / "whole"
    git(tmp_path, "init", "--quiet", "--initial-branch=main", "whole")
    (whole / "products").mkdir()
    planted.rename(whole / "products/shop")
    git(whole / "products/shop", "config", "user.name", "x")
    (whole / "products/shop/.git").rename(tmp_path / "unused")
    (whole / "other.txt").touch()
    git(whole, "add", "other.txt")
    git(whole, "-c", "user.name=Else", "commit", "--quiet", "-m", "x")
    git(whole, "add", ".")
    git(whole, "-c", "user.name=Bea", "commit", "--quiet", "-m", "x")
    text = gathered(whole / "products/shop")["engineers"].text
    assert text == "1 person committed in the last year (billing 1, catalog 1, ordering 1)"


def test_a_clone_without_its_history_says_nothing_of_people(tmp_path, planted, plant):
    plant("Ada", [BILLING])
    plant(
        "Bea", [BILLING, ".copier-answers.yml", "CODEOWNERS", "src/app/modules/billing/__init__.py"]
    )
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{planted}", "shallow")
    assert set(gathered(tmp_path / "shallow")) == {"teams"}


def test_what_git_is_configured_to_print_changes_nothing(planted, plant):
    plant("Ada", [BILLING])
    for setting in (
        "log.showSignature=true",
        "log.follow=true",
        "color.ui=always",
        "diff.noprefix=true",
        "diff.renames=copies",
    ):
        git(planted, "config", *setting.split("="))
    assert gathered(planted)["engineers"].data["by_module"]["billing"] == 1


def test_a_long_history_is_read_in_part(planted, plant, monkeypatch):
    monkeypatch.setattr(committed, "COMMITS", 2)
    monkeypatch.setattr(
        committed, "_LOG", tuple(part.replace("10000", "2") for part in committed._LOG)
    )
    for who in ("Ada", "Bea", "Cleo"):
        plant(who, [BILLING])
    assert gathered(planted)["engineers"].text.startswith(
        "2 people committed in the last 2 commits"
    )


def test_without_git_or_modules_there_is_little_to_say(planted):
    assert set(gathered(planted)) == {"teams"}
    for name in ("billing", "catalog", "ordering"):
        (planted / "src/app/modules" / name / "__init__.py").unlink()
    assert facts.gather(planted, None) == facts.Facts()
    assert facts.gather(None, None) == facts.Facts()
