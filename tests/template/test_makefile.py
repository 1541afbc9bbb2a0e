"""The Makefile of this repository, and those that its tests run."""

import subprocess
from pathlib import Path

from generated import ROOT, Repository


def test_the_make_of_a_repository_hears_nothing_of_ours(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "Makefile").write_text("all:\n\t@echo '$(only) $(MAKEFLAGS) $(MAKELEVEL)'\n")
    assert Repository(tmp_path, environment).make().split() == ["0"]


def test_the_documented_command_runs_tests_that_run_make() -> None:
    documented = "make test only=tests/template/"
    assert documented in (ROOT / "docs/template.md").read_text("utf-8")
    inner = test_the_make_of_a_repository_hears_nothing_of_ours.__name__
    only = f"only=tests/template/test_makefile.py -k {inner} -n 0"
    done = subprocess.run(
        ["make", "-j2", "test", only], cwd=ROOT, text=True, capture_output=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
