"""Whatever is answered, the repository is in order: any two answers by style, each deviation in full."""

import sysconfig
from pathlib import Path

import pytest
import yaml
from generated import ROOT, Generate

CHOICES = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))["ci"]["choices"].values()
MODULES = ("[]", "[catalog, ordering]")
OWNERS = ("@ada", "@acme/shop/payments")
PAIRS = [  # Every two answers meet.
    (ci, modules, owner)
    for number, ci in enumerate(CHOICES)
    for modules, owner in zip(MODULES, OWNERS[:: -1 if number % 2 else 1], strict=True)
]


@pytest.mark.slow
@pytest.mark.parametrize(("ci", "modules", "owner"), PAIRS)
def test_every_two_answers_are_well_formed(
    generate: Generate, ci: str, modules: str, owner: str
) -> None:
    shop = generate(ci=ci, modules=modules, owner=owner)
    ruff = str(Path(sysconfig.get_path("scripts")) / "ruff")  # Its own is the same release.
    shop.run(ruff, "format", "--check")
    shop.run(ruff, "check")
    kept = {path.name for path in shop.path.iterdir() if path.name.startswith(".git")}
    of_forge = {"github": {".github"}, "gitlab": {".gitlab", ".gitlab-ci.yml"}, "none": set()}
    assert kept - {".git", ".gitattributes", ".gitignore"} == of_forge[ci]


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
    """Those that have no test elsewhere: names, a description and GitLab are in test_generated."""
    shop = generate(**answers)
    assert " passed" in shop.make("check")
    assert shop.changes() == []
