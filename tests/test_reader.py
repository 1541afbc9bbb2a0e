"""The template read without Copier is what Copier renders: byte for byte, mode for mode."""

import warnings
from pathlib import Path
from typing import Any

import pytest
from generated import ROOT
from helpers import git

from scaffold.reader import TemplateVersion

ANSWERS: list[dict[str, Any]] = [
    {},
    {"ci": "gitlab", "modules": "[billing, line_items]", "project_name": "web-shop"},
    {"ci": "none", "modules": "[]", "deploy": "none"},
    {"deploy": "both", "catalog": "backstage"},
    {"deploy": "compose", "catalog": "backstage", "ci": "gitlab"},
    {"module": "parts", "entity": "box", "depends_on": {"catalog": "Catalog"}},
    {"example": "shop"},
    {"example": "shop", "module": "billing"},
]


@pytest.mark.parametrize("answers", ANSWERS)
def test_what_is_rendered_is_what_copier_renders(answers: dict[str, Any], tmp_path: Path) -> None:
    from copier import run_copy

    commit = git(ROOT, "rev-parse", "HEAD")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = tmp_path / "made"
        copied = run_copy(
            f"git+{ROOT}", made, data=answers, vcs_ref=commit, defaults=True, quiet=True
        )
    recorded = str(copied.template.commit)
    read = TemplateVersion(ROOT, commit).render(f"git+{ROOT}", recorded, given=answers)
    expected = {
        path.relative_to(made).as_posix(): (path.stat().st_mode & 0o100 > 0, path.read_bytes())
        for path in made.rglob("*")
        if path.is_file()
    }
    got = {path: (file.mode == "100755", file.content) for path, file in read.files.items()}
    assert got.keys() == expected.keys()
    assert [path for path in got if got[path] != expected[path]] == []


@pytest.mark.parametrize("answers", [{"module": "parts"}, {"module": "parts", "bare": True}])
def test_what_a_wheel_brings_is_recorded_as_the_commit_it_was_built_from(
    answers: dict[str, Any],
) -> None:
    built = "0123456789abcdef0123456789abcdef01234567"
    read = TemplateVersion(ROOT, git(ROOT, "rev-parse", "HEAD"))
    made = read.render("https://git.example.com/t.git", built, given=answers)
    assert f'_commit: "{built}"'.encode() in made.files[".copier-answers.module.yml"].content
