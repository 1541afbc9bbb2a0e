"""`scaffold decide`: what it takes, prints and writes, and what it refuses."""

import json
import os
import pty
import subprocess
from datetime import date
from pathlib import Path

import pytest
from helpers import command, git, tree

EIGHT = ("--engineers", "8", "--teams", "1", "--products", "one")
NINETY_SIX = ("--engineers", "96", "--teams", "8", "--products", "several")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nowhere in particular, and nobody at the keyboard."""
    monkeypatch.chdir(tmp_path)
    with Path(os.devnull).open() as nobody:
        monkeypatch.setattr("sys.stdin", nobody)
        yield


def test_the_answer_comes_first_then_why_and_what_to_do(run):
    result = run("decide", *EIGHT, "--hurts", "slow-endpoint", "--hurts", "tangled-code")
    assert result.code == 0
    assert result.err == ""
    lines = result.out.splitlines()
    assert lines[0] == "A monolith."
    assert "Rule small: fewer than 25 engineers, one product." in lines
    assert "  a modular monolith: 25 engineers" in lines
    assert "  services along team lines: 80 engineers, 2 teams and several products" in lines
    assert "What hurts: slow-endpoint" in lines
    assert "What hurts: tangled-code" in lines
    assert "  hurts       slow-endpoint, tangled-code" in lines
    assert "  isolation   no  (assumed)" in lines
    assert lines[-1] == "Commands and pages are those of a repository that `scaffold new` makes."
    assert "\x1b" not in result.out


def test_scripts_get_the_same(run):
    result = json.loads(
        run("decide", *NINETY_SIX, "--hurts", "blocked-team,scary_deploy", "--json").out
    )
    assert list(result) == [
        "schema", "answer", "title", "carve", "rule", "answers", "ways", "begin", "cures", "facts", "adr",
    ]  # fmt: skip
    assert (result["schema"], result["answer"], result["carve"]) == (1, "services", 0)
    assert result["rule"]["id"] == "services-by-team"
    assert result["answers"]["hurts"] == {
        "value": ["scary-deploy", "blocked-team"],
        "source": "option",
    }
    assert result["answers"]["partner"] == {"value": False, "source": "assumed"}
    assert {"answer": "modular-monolith", "changes": {"engineers": 79}} in result["ways"]
    assert set(result["cures"]) == {"blocked-team", "scary-deploy"}
    assert set(result["begin"]) == {"advice", "tools"}
    assert result["facts"] == []
    assert result["adr"] is None


def test_a_file_answers_and_options_have_the_last_word(run):
    Path("acme.toml").write_text(
        'engineers = 40\nteams = 5\nproducts = "suite"\nhurts = ["scary-deploy"]\nscaling = true\n'
    )
    said = json.loads(run("decide", "--answers", "acme.toml", "--json").out)
    assert (said["answer"], said["carve"]) == ("carved-services", 2)
    assert said["answers"]["scaling"] == {"value": True, "source": "file"}
    said = json.loads(run("decide", "--answers", "acme.toml", "--no-scaling", "--json").out)
    assert said["answer"] == "modular-monolith"
    assert said["answers"]["scaling"] == {"value": False, "source": "option"}


def test_what_is_missing_is_named_when_nobody_can_be_asked(run):
    result = run("decide", "--teams", "2")
    assert (result.code, result.out) == (2, "")
    assert "no terminal" in result.err
    assert "--engineers, --products are missing; pass them" in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--engineers", "8", "--teams", "12"), "8 engineers cannot fill 12 teams"),
        (("--engineers", "0"), "0 engineers build nothing"),
        (("--engineers=-1",), "-1 engineers build nothing"),
        (("--engineers", "many"), "`engineers` is 'many'; say a whole number, such as 8"),
        (("--engineers", "8.5"), "say a whole number"),
        (("--engineers", "9" * 5000), "say a whole number"),
        (("--teams", "0"), "0 teams are none"),
        (("--products", "two"), "`products` is 'two'; say one of one, suite, several"),
        (("--hurts", "slow-endpont"), "did you mean slow-endpoint?"),
        (("--hurts", "mondays"), "say one of slow-endpoint, pegged-database"),
        (("--teams", "1", "--hurts", "blocked-team"), "one team has no other to block it"),
        (("--answers", "nowhere.toml"), "nowhere.toml is not there"),
        (("--metrics", "nowhere"), "nowhere is not there"),
        (("-C", "nowhere"), "is no folder"),
        (("-C", "/"), "is not inside a generated repository"),
        (("--adr",), "a record is kept in a repository, and this is none"),
    ],
)
def test_bad_input_is_one_sentence(refused, options, said):
    assert said in refused("decide", *options)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("engineers = ", "is no TOML"),
        ('engineers = "eight"', "acme.toml: `engineers` is 'eight'; say a whole number"),
        ("engineers = true", "`engineers` is True"),
        ("engineers = 8.0", "`engineers` is 8.0"),
        ("engineer = 8", "nobody asks for 'engineer'; did you mean engineers?"),
        ("colour = 8", "nobody asks for 'colour'; take it out"),
        ("hurts = 3", "`hurts` is 3; name any of"),
        ("hurts = [3]", "`hurts` is '3'; say one of"),
        ('scaling = "perhaps"', "`scaling` is 'perhaps'; say yes or no"),
        ("[engineers]\nnumber = 8", "say a whole number"),
        ("engineers = 3\nteams = 4", "3 engineers cannot fill 4 teams"),
    ],
)
def test_a_bad_file_is_one_sentence(refused, content, said):
    Path("acme.toml").write_text(content)
    assert said in refused("decide", "--answers", "acme.toml")


def test_a_repository_answers_what_it_knows(planted, plant, run):
    for who in ("Ada", "Bea", "Cleo"):
        plant(who, ["src/app/modules/billing/service.py"])
    result = run("decide", "--products", "one")
    assert "  engineers   3  (from git)" in result.out.splitlines()
    assert "  teams       2  (from CODEOWNERS)" in result.out.splitlines()
    assert "  from git: 3 people committed in the last year (billing 3)" in result.out.splitlines()
    assert "scaffold new" not in result.out.splitlines()[-1]
    said = json.loads(run("decide", "--products", "one", "--engineers", "30", "--json").out)
    assert said["answers"]["engineers"] == {"value": 30, "source": "option"}
    assert said["answers"]["teams"] == {"value": 2, "source": "CODEOWNERS"}
    assert [fact["source"] for fact in said["facts"]] == ["git", "CODEOWNERS"]


def test_facts_that_contradict_what_was_said_answer_nothing(planted, plant, run):
    plant("Ada", ["src/app/modules/billing/service.py"])
    result = run("decide", "--products", "one", "--engineers", "1")
    assert result.code == 2
    assert "--teams is missing; pass it" in result.err
    assert "(CODEOWNERS does not answer it: 1 engineer cannot fill 2 teams)" in result.err


def test_metrics_say_where_to_look_first(run):
    Path("metrics").write_text('db_module_seconds_total{module="catalog"} 9\n')
    result = run("decide", *EIGHT, "--hurts", "pegged-database", "--metrics", "metrics")
    assert "    app slow --module catalog " in result.out
    assert "  from metrics: the database's time by module: catalog 100%" in result.out


def test_the_record_has_context_decision_and_consequences(planted, plant, run):
    for who in ("Ada", "Bea"):
        plant(who, ["src/app/modules/billing/service.py"])
    before = tree(planted)
    result = run("decide", "--products", "one", "--isolation", "--hurts", "slow-endpoint", "--adr")
    assert result.code == 0
    (written,) = set(tree(planted)) - set(before)
    assert written == "docs/adr/0001-a-monolith-and-one-carved-service.md"
    assert result.out.endswith(f"Wrote {planted / written}. Next: read it, and git add it\n")
    record = (planted / written).read_text()
    flowing = " ".join(record.split())
    assert record.startswith(
        f"# 1. A monolith and one carved service\n\nDate: {date.today().isoformat()}\n\n"
        "## Status\n\nProposed\n\n## Context\n"
    )
    for part in (
        "| engineers | 2 | git |",
        "| isolation | yes | us |",
        "| partner | no | assumed |",
        "- From git: 2 people committed in the last year (billing 2).",
        "\n## Decision\n\nWe build one deployable.",
        "The rule `carve-one` decides",
        "\n## Consequences\n\n",
        "- slow-endpoint: ",
        "- no isolation: a monolith.",
    ):
        assert part in record
    assert "that has a reason to be a service (isolation) is carved out: one." in flowing
    assert (planted / written).stat().st_mode & 0o777 == 0o644
    assert max(map(len, record.splitlines())) <= 100


def test_a_record_takes_the_next_number_and_overwrites_nothing(planted, run):
    folder = planted / "docs/adr"
    folder.mkdir(parents=True)
    for name in ("0001-first.md", "0007-seventh.md", "README.md", "12 notes.txt"):
        (folder / name).write_text(name)
    before = tree(planted)
    for _ in range(2):
        assert run("decide", *EIGHT, "--adr").code == 0
    after = tree(planted)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {
        "docs/adr/0008-a-monolith.md",
        "docs/adr/0009-a-monolith.md",
    }


def test_records_written_at_once_have_numbers_of_their_own(planted):
    running = [
        subprocess.Popen(
            command("decide", *EIGHT, "--adr", "--json"),
            cwd=planted,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    written = [json.loads(each.communicate()[0])["adr"] for each in running]
    assert sorted(Path(each).name for each in written) == [
        f"000{n}-a-monolith.md" for n in (1, 2, 3)
    ]
    assert len(list((planted / "docs/adr").iterdir())) == 3


def test_a_record_that_cannot_be_written_leaves_nothing(planted, refused):
    (planted / "docs").write_text("in the way")
    assert "docs" in refused("decide", *EIGHT, "--adr")


def test_any_repository_can_keep_the_record(tmp_path, run):
    git(tmp_path, "init", "--quiet")
    (tmp_path / "src").mkdir()
    assert run("decide", *EIGHT, "--adr", "-C", "src").code == 0
    os.chdir(tmp_path / "src")
    assert run("decide", *EIGHT, "--adr").code == 0
    assert len(list((tmp_path / "docs/adr").iterdir())) == 2


def test_on_a_terminal_questions_are_asked_one_by_one(tmp_path):
    """Enter takes the default; what is none, or cannot be true, is asked again."""
    ours, theirs = pty.openpty()
    typed = "zero 0 9 12 2 suit suite slow-endpoint,blocked-team - - no y".split()
    lines = "".join("\n" if each == "-" else f"{each}\n" for each in typed)
    os.write(ours, lines.encode())
    done = subprocess.run(
        command("decide", "--json"),
        cwd=tmp_path,
        stdin=theirs,
        capture_output=True,
        text=True,
        timeout=240,
    )
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert {name: answer["value"] for name, answer in said["answers"].items()} == {
        "engineers": 9,
        "teams": 2,
        "products": "suite",
        "hurts": ["slow-endpoint", "blocked-team"],
        "isolation": False,
        "scaling": False,
        "technology": False,
        "partner": True,
    }
    assert {answer["source"] for answer in said["answers"].values()} == {"asked"}
    for wrong in (
        "`engineers` is 'zero'; say a whole number",
        "0 engineers build nothing",
        "9 engineers cannot fill 12 teams",
        "did you mean suite?",
    ):
        assert wrong in done.stderr
