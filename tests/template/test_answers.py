"""Whatever is answered, the repository is in order: any two answers by style, each deviation in full."""

import subprocess
import sysconfig
from pathlib import Path

import pytest
import yaml
from generated import ROOT, Generate

from scaffold.reader import TemplateVersion

CHOICES = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))["ci"]["choices"].values()
MODULES = ("[]", "[catalog, ordering]")
OWNERS = ("@ada", "@acme/shop/payments")
PAIRS = [  # Every two answers meet.
    (ci, modules, owner)
    for number, ci in enumerate(CHOICES)
    for modules, owner in zip(MODULES, OWNERS[:: -1 if number % 2 else 1], strict=True)
]


@pytest.mark.parametrize(("ci", "modules", "owner"), PAIRS)
def test_every_two_answers_are_well_formed(
    real_template: Path, tmp_path: Path, ci: str, modules: str, owner: str
) -> None:
    given = {"ci": ci, "modules": modules, "owner": owner}
    made = TemplateVersion(real_template, "v1.0.0").render("x", "v1.0.0", given=given)
    for name, file in made.files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(file.content)
    ruff = Path(sysconfig.get_path("scripts")) / "ruff"  # Its own is the same release.
    for command in (("format", "--check"), ("check",)):
        done = subprocess.run([ruff, *command], cwd=tmp_path, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout
    kept = {path.name for path in tmp_path.iterdir() if path.name.startswith(".git")}
    of_forge = {"github": {".github"}, "gitlab": {".gitlab", ".gitlab-ci.yml"}, "none": set()}
    assert kept - {".gitattributes", ".gitignore"} == of_forge[ci]


@pytest.mark.slow
@pytest.mark.parametrize(
    "answers",
    [
        {"ci": "none", "deploy": "none"},
        {"modules": "[]", "deploy": "compose"},
        {"modules": "[reviews]", "deploy": "both", "catalog": "backstage"},
    ],
    ids=str,
)
def test_each_deviation_from_the_defaults_is_green(
    generate: Generate, answers: dict[str, str]
) -> None:
    """Those that have no test elsewhere: names, a description and GitLab are in test_generated. What a
    module tests of itself is the same in each."""
    shop = generate(**answers)
    shop.check()
    assert " passed" in shop.make("test", "only=tests")
    assert shop.changes() == []
