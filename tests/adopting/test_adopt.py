"""`scaffold adopt` on small repositories; on those of this template's past, see the history."""

import json
import shutil
from pathlib import Path

import pytest
from helpers import git, tree
from histories import commit

ANSWERS = ".copier-answers.yml"
MODULE = "src/app/modules/{}/.copier-answers.module.yml"


def lose(*files: str) -> dict[str, bytes]:
    """Delete answers: all, or some; return what they were."""
    found = [Path(file) for file in files] or sorted(Path().rglob(".copier-answers*.yml"))
    lost = {file.as_posix(): file.read_bytes() for file in found}
    for file in found:
        file.unlink()
    commit("Lose them")
    return lost


def there(lost: dict[str, bytes]) -> dict[str, bytes]:
    return {file: Path(file).read_bytes() for file in lost}


def adopt(run, template, *more):
    done = run("adopt", "--yes", "--from", str(template), *more)
    assert done.code == 0, done.err
    return done


def test_answers_come_back_as_they_were(shop, run, template):
    lost = lose()
    done = adopt(run, template)
    assert there(lost) == lost
    assert git(shop, "status", "--porcelain", "--untracked-files=all").split()[1::2] == sorted(lost)
    assert f"{template} v0.1.0 fits" in done.out
    assert "Wrote 3 files of answers" in done.out


def test_edits_do_not_hide_the_version_nor_do_modules_that_were_added(shop, run, template):
    assert run("add-module", "billing", "--entity", "invoice", "--depends-on", "catalog").code == 0
    assert run("add-module", "reports", "--bare", "--owner", "@acme/data").code == 0
    lost = lose()
    Path("README.md").write_text("# Ours\n\nA modular monolith.\n")
    Path("CODEOWNERS").write_text(Path("CODEOWNERS").read_text() + "/docs/ @acme/docs\n")
    Path("src/app/modules/catalog/more.py").write_text("x = 1\n")
    Path(".gitignore").unlink()
    commit()
    done = adopt(run, template)
    after = there(lost)
    for file in lost.keys() - {MODULE.format("billing"), MODULE.format("reports")}:
        assert after[file] == lost[file], file
    assert b'entity: "item"' in after[MODULE.format("billing")]  # It keeps no tables here.
    assert b'depends_on: {"catalog": "Catalog"}' in after[MODULE.format("billing")]
    assert "Edited, and so merged by updates:\n  CODEOWNERS\n  README.md\n" in done.out
    assert "Missing, and not brought back:\n  .gitignore\n" in done.out


def test_it_is_updated_from_there(team, origin, run):
    lost = lose()
    adopt(run, origin.root)
    # Billing was added later, and is as those are that came with the app.
    both = b"modules:\n- billing\n- catalog", b"modules:\n- catalog"
    assert Path(ANSWERS).read_bytes().replace(*both) == lost.pop(ANSWERS)
    assert there(lost) == lost
    commit("Adopt")
    origin.write("docs/guide.md", "new\n")
    origin.release("v1.1.0")
    done = run("update")
    assert done.code == 0, done.err
    assert Path("docs/guide.md").read_text() == "new\n"


@pytest.mark.parametrize("file", [ANSWERS, MODULE.format("catalog")])
def test_what_is_lost_in_part_is_written_in_part(shop, run, template, file):
    lost = lose(file)
    kept = tree(shop)
    adopt(run, template, *([] if file == ANSWERS else ["--ref", "v0.1.0"]))
    assert there(lost) == lost
    assert {path: content for path, content in tree(shop).items() if path != file} == kept


def test_where_nothing_is_lost_there_is_nothing_to_do(shop, run, template):
    before = tree(shop)
    for more in ((), ("--from", str(template)), ("--dry-run",)):
        done = run("adopt", "--yes", *more)
        assert (done.code, done.out.partition(":")[0]) == (0, "Nothing to do")
    assert json.loads(run("adopt", "--yes", "--json").out) == {"written": False, "files": []}
    assert tree(shop) == before


def test_a_copy_without_git_is_adopted_too(pristine, tmp_path, run, template, monkeypatch):
    shutil.copytree(pristine, tmp_path / "copy", ignore=shutil.ignore_patterns(".git"))
    monkeypatch.chdir(tmp_path / "copy")
    lost = {str(file): file.read_bytes() for file in Path().rglob(".copier-answers*.yml")}
    for file in lost:
        Path(file).unlink()
    adopt(run, template)
    assert there(lost) == lost


def test_line_ends_of_windows_are_no_edit(shop, run, template):
    lost = lose()
    for file in ("README.md", "CODEOWNERS", "src/app/modules/catalog/wiring.py"):
        Path(file).write_bytes(Path(file).read_bytes().replace(b"\n", b"\r\n"))
    done = adopt(run, template)
    assert there(lost) == lost
    assert "Edited" not in done.out


def test_a_module_of_the_teams_own_is_left_alone(shop, run, template):
    own = Path("src/app/modules/legacy")
    own.mkdir()
    (own / "__init__.py").write_text("import os\n")
    (own / "module.toml").write_text('owner = "@acme/old"\n')
    without = Path("src/app/modules/older")
    without.mkdir()
    (without / "__init__.py").touch()
    lose()
    done = adopt(run, template)
    assert "Module legacy is left alone: no version's module is like it" in done.out
    assert "Module older is left alone" in done.out
    assert not (own / ".copier-answers.module.yml").exists()


def test_answers_that_are_known_count(shop, run, template):
    lose()
    done = adopt(run, template, "--data", "description=Sells pots.", "-d", "owner=@acme/pots")
    assert "  description: Sells pots.\n" in done.out
    assert "owner: '@acme/pots'" in Path(ANSWERS).read_text()


def test_an_answer_that_the_template_does_not_take_is_refused(shop, refused, template):
    lose()
    said = refused("adopt", "--yes", "--from", str(template), "--data", "owner=nobody")
    assert "'nobody' to owner will not do" in said


def test_what_is_of_no_template_is_one_sentence(tmp_path, refused, template, monkeypatch):
    (tmp_path / "x/src/app/modules").mkdir(parents=True)
    (tmp_path / "x/pyproject.toml").write_text('[project]\nname = "x"\n')
    (tmp_path / "x/README.md").write_text("# Something else\n\nOf its own.\n")
    monkeypatch.chdir(tmp_path / "x")
    said = refused("adopt", "--yes", "--from", str(template))
    assert "is not of the template" in said
    monkeypatch.chdir(tmp_path)
    assert "is not inside a generated repository" in refused("adopt", "--yes")


def test_a_version_that_is_not_there_is_one_sentence(shop, refused, template):
    lose()
    assert "has no version v9" in refused("adopt", "--yes", "--from", str(template), "--ref", "v9")
    assert "is not there" in refused("adopt", "--yes", "--from", "/nowhere/at/all")
    Path(ANSWERS).write_text("_commit: v0.1.0\n_src_path: " + str(template) + "\n")
    assert "leave out --ref" in refused("adopt", "--yes", "--ref", "v0.2.0")


def test_in_an_update_with_conflicts_it_waits(shop, refused, template):
    lose()
    Path(".git/CHERRY_PICK_HEAD").write_text(git(shop, "rev-parse", "HEAD") + "\n")
    assert "in conflict" in refused("adopt", "--yes", "--from", str(template))


def test_nothing_is_written_unless_somebody_says_so(shop, run, template):
    lose()
    before = tree(shop)
    done = run("adopt", "--from", str(template))
    assert (done.code, done.out) == (2, "")
    assert "--yes" in done.err
    shown = run("adopt", "--dry-run", "--from", str(template))
    assert shown.out.endswith("Nothing was written.\n")
    told = json.loads(run("adopt", "--dry-run", "--json", "--from", str(template)).out)
    assert told["template"] == {"source": str(template), "version": "v0.1.0"}
    assert told["files"] == [MODULE.format("catalog"), MODULE.format("ordering"), ANSWERS]
    assert told["app"]["answers"]["modules"] == ["catalog", "ordering"]
    assert tree(shop) == before
