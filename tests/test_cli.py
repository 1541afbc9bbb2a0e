"""Help, exit codes, what goes where."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import SOURCES, command, process


@pytest.mark.parametrize("name", [[], ["new"], ["add-module"], ["modules"]])
def test_every_command_has_help_with_an_example(run, name):
    result = run(*name, "--help")
    assert result.code == 0
    assert "Examples:\n    scaffold " in result.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["new"],
        ["add-module"],
        ["add-module", "a", "b"],
        ["new", "shop", "--data", "x"],
        ["modules", "--nonsense"],
        ["add-module", "--entity"],
        ["carve", "billing", "--because", "money"],
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_two(run, arguments):
    result = run(*arguments)
    assert result.code == 2
    assert result.out == ""
    assert result.err.startswith("scaffold: ")
    assert result.err.count("\n") == 1
    assert "Value error" not in result.err


@pytest.mark.parametrize("name", [[], ["fleet"]])
def test_without_a_command_the_help_is_shown_as_it_is(run, name):
    result = run(*name)
    assert (result.code, result.out) == (2, "")
    assert result.err == run(*name, "--help").out
    assert not re.search(r"\w\.\.\.", result.err)  # What a command does fits its line.


def test_modules_are_listed(shop, run):
    (shop / "src/app/modules/catalog/.copier-answers.module.yml").unlink()
    result = run("modules")
    assert result.out.splitlines() == [
        "module    owner       depends on  entity  template",
        "catalog   @acme/team  -           -       -",
        "ordering  @acme/team  -           item    v0.1.0",
    ]


@pytest.mark.usefixtures("shop")
def test_modules_are_listed_for_scripts(run):
    run("add-module", "billing", "--depends-on", "ordering", "--entity", "invoice")
    assert json.loads(run("modules", "--json").out)[0] == {
        "name": "billing",
        "owner": "@acme/team",
        "depends_on": ["ordering"],
        "entity": "invoice",
        "version": "v0.1.0",
    }


def test_a_broken_module_is_one_sentence(shop, refused):
    (shop / "src/app/modules/catalog/module.toml").write_text("owner = ")
    assert "catalog/module.toml is no TOML" in refused("modules")


def test_the_version_is_the_distributions(run, tmp_path: Path, monkeypatch):
    info = tmp_path / "scaffold_monolith-1.2.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: scaffold-monolith\nVersion: 1.2.3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert run("--version").out == "scaffold 1.2.3\n"


@pytest.mark.parametrize("argument", ["--help", "modules", "add-module catalog"])
def test_copier_is_only_loaded_to_render(shop, argument):
    code = (
        f"import sys; sys.path.insert(0, {str(SOURCES)!r}); from scaffold.cli import _run; _run();"
        "print([m for m in ('copier', 'rich', 'jinja2') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *argument.split()],
        cwd=shop,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_colours_are_for_terminals_that_want_them(shop, environment, coloured):
    ours, theirs = pty.openpty()
    subprocess.run(
        command("modules"),
        cwd=shop,
        env={**os.environ, "TERM": "xterm", **environment},
        stdout=theirs,
        check=True,
    )
    os.close(theirs)
    assert (b"\033" in os.read(ours, 65536)) is coloured
    assert "\033" not in process("modules", cwd=shop).stdout


def test_a_reader_that_goes_away_is_no_defect(shop):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        command("modules"), cwd=shop, stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert done.stderr == ""


@pytest.mark.usefixtures("shop")
def test_a_defect_is_one_sentence_too(run, monkeypatch):
    def fail(_: Path) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("scaffold.repository.find_root", fail)
    result = run("modules")
    assert result.code == 1
    assert result.err.startswith("scaffold: ZeroDivisionError: oops; this is a defect")
    assert result.err.count("\n") == 1


def test_a_narrow_encoding_is_no_defect(shop):
    (shop / "src/app/modules/catalog/module.toml").write_text('owner = "@Ünal"\n')
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = process("modules", cwd=shop, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "@\\xdcnal" in done.stdout
