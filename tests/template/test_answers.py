"""Whatever is answered, the repository is in order: each combination by style, each deviation in full."""

import sysconfig
from itertools import product
from pathlib import Path

import pytest
import yaml
from generated import ROOT, Generate

CHOICES = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))["ci"]["choices"].values()
MODULES = ("[]", "[catalog, ordering]")
OWNERS = ("@ada", "@acme/shop/payments")


@pytest.mark.slow
@pytest.mark.parametrize(("ci", "modules", "owner"), [*product(CHOICES, MODULES, OWNERS)])
def test_every_combination_is_well_formed(
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
        {"owner": "@ada"},
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
