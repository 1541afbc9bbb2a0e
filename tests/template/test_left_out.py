"""What a team does not need is not there, and nothing that is there speaks of it."""

import posixpath
import re
import shutil
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path, PurePosixPath

import pytest
import yaml
from generated import ROOT, Repository, scaffold
from helpers import git

from scaffold.reader import TemplateVersion

QUESTIONS = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))
COMBINATIONS = [
    *product(*(QUESTIONS[name]["choices"].values() for name in ("deploy", "catalog", "ci")))
]
WORDS = {
    "kubernetes": r"kube\w*|kustomiz\w+|overlays?|manifests?|clusters?(?!\.)|pods?|configmaps?|argo|flux|helm"
    r"|trivy|ingress|staging|prometheus-adapter|prometheus operator|make (deploy|manifests|rules)",
    "compose": r"docker compose|compose\.yaml|make up|deploy/compose",
    "either": r"deploy/\w*|deployment\.md",
    "backstage": r"backstage|catalog-info\S*|make catalog|development[./]catalog",
}
WRITTEN_LATER = (
    ".local .venv/ .checks_cache/ dist/ uv.lock docs/architecture.svg app.log backup. catalog-info.yaml "
    "flags.json openapi.json seed.py src/app/modules/moved.toml "
    "observability/dashboards/ deploy/components/monitoring/"
).split()
OF_OTHERS = ("/openapi.json", "/run/secrets/", "/tmp", "billing/", "app/", "acme/", "shop/")

Texts = dict[str, str]


@pytest.fixture(scope="module")
def version(real_template: Path) -> TemplateVersion:
    return TemplateVersion(real_template, git(real_template, "rev-parse", "HEAD"))


@pytest.fixture(params=COMBINATIONS, ids="-".join, scope="module")
def answers(request: pytest.FixtureRequest) -> dict[str, str]:
    return dict(zip(("deploy", "catalog", "ci"), request.param, strict=True))


@pytest.fixture(scope="module")
def texts(version: TemplateVersion, answers: dict[str, str]) -> Texts:
    rendered = version.render("https://git.acme.org/template.git", "v1.0.0", given=answers)
    return {path: file.content.decode() for path, file in rendered.files.items()}


def of_people(texts: Texts) -> Iterator[tuple[str, str]]:
    """What people and tools read beside the code."""
    for path, text in texts.items():
        if not path.endswith((".py", ".html")) and not path.startswith("src/"):
            yield path, text


def test_nothing_speaks_of_what_is_left_out(texts: Texts, answers: dict[str, str]) -> None:
    left_out = {
        "kubernetes": answers["deploy"] not in ("kubernetes", "both"),
        "compose": answers["deploy"] not in ("compose", "both"),
        "either": answers["deploy"] == "none",
        "backstage": answers["catalog"] == "none",
    }
    dead = [
        f"{path}: {found[0]}"
        for path, text in of_people(texts)
        for name, words in WORDS.items()
        if left_out[name] and path != ".copier-answers.yml"
        for found in re.finditer(rf"\b({words})\b", text, re.IGNORECASE)
    ]
    assert dead == []
    asked = [path for path in texts if re.search(r"deploy/|compose|catalog-info|manifests", path)]
    assert bool(asked) == (answers != {**answers, "deploy": "none", "catalog": "none"})


def test_every_link_leads_somewhere(texts: Texts) -> None:
    dead = []
    for path, text in texts.items():
        for target in re.findall(r"\]\(([^)\s]+)\)", text) if path.endswith(".md") else ():
            if target.startswith("http") or target == "architecture.svg":
                continue
            file, _, anchor = target.partition("#")
            there = posixpath.normpath(posixpath.join(posixpath.dirname(path), file))
            there = there if file else path
            if there not in texts or (anchor and anchor not in anchors(texts[there])):
                dead.append(f"{path}: {target}")
    assert dead == []


def anchors(markdown: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", markdown, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_target_that_is_named_is_there(texts: Texts) -> None:
    targets = set(re.findall(r"^([a-z-]+):", texts["Makefile"], re.MULTILINE))
    phony = re.search(r"^\.PHONY:((?:.*\\\n)*.*)", texts["Makefile"], re.MULTILINE)
    assert phony
    assert set(phony[1].replace("\\", "").split()) == targets
    named = {
        (path, name)
        for path, text in texts.items()
        for name in re.findall(r"(?:[`'\"]|run: |^\s*- )make ([a-z-]+)", text, re.MULTILINE)
        if not path.startswith("tests/platform/")
    }
    assert len(named) > 20
    assert [each for each in sorted(named) if each[1] not in targets] == []


def test_every_file_that_is_named_is_there(texts: Texts) -> None:
    """Or is written by a command, or stands for one of the team's."""
    known = {f"/{path}" for path in texts}
    known |= {f"{folder}/" for path in known for folder in PurePosixPath(path).parents}
    dead = []
    for path, text in of_people(texts):
        if not path.endswith((".md", ".toml", ".yml", "Makefile")):
            continue
        for name in re.findall(r"`([\w./-]+/|[\w./-]*\w\.(?:md|py|toml|ya?ml|json|cfg))`", text):
            is_later = name.startswith(("/", *WRITTEN_LATER, *OF_OTHERS))  # Or a path of HTTP.
            if not is_later and not any(each.endswith(f"/{name}") for each in known):
                dead.append(f"{path}: {name}")
    assert dead == []


@pytest.fixture
def older(real_template: Path, tmp_path: Path) -> Path:
    """The template with a release before it, which asked neither question and had all of it."""
    path = tmp_path / "older"
    shutil.copytree(real_template, path)
    git(path, "tag", "--delete", "v1.0.0")
    after = (path / "copier.yml").read_text("utf-8")
    before = after
    for name, value in {"deploy": "both", "catalog": "backstage"}.items():
        computed = f"{name}:\n  type: str\n  when: false\n  default: {value}\n\n"
        before, count = re.subn(rf"^{name}:\n(?:  .*\n)+\n", computed, before, flags=re.MULTILINE)
        assert count == 1
    for questions, tag in ((before, "v1.0.0"), (after, "v2.0.0")):
        (path / "copier.yml").write_text(questions, "utf-8")
        git(path, "commit", "--quiet", "--all", "--message", tag)
        git(path, "tag", tag)
    return path


@pytest.mark.parametrize("by_copier", [False, True], ids=["scaffold", "copier"])
def test_a_repository_that_is_older_than_the_questions_keeps_all_it_has(
    older: Path, tmp_path: Path, environment: dict[str, str], by_copier: bool
) -> None:
    source = ("--from", str(older), "--ref", "v1.0.0")
    scaffold("new", "shop", "--defaults", *source, "--data", "ci=gitlab", cwd=tmp_path)
    shop = Repository(tmp_path / "shop", environment)
    before = shop.git("ls-files").split()
    assert "deploy:" not in shop.read(".copier-answers.yml")
    assert {"compose.yaml", "catalog-info.yaml", "deploy/roll_out.py"} <= set(before)
    if by_copier:
        shop.run(sys.executable, "-m", "copier", "update", "--defaults", "--quiet", ".")
        shop.commit("Update")
    else:
        said = scaffold("update", cwd=shop.path)
        assert "  deploy: 'both'\n  catalog: 'backstage'\n" in said
    assert shop.git("ls-files").split() == before
    changed = shop.git("diff", "--name-only", "HEAD~").split()
    assert {posixpath.basename(each)[:8] for each in changed} == {".copier-"}
    recorded = yaml.safe_load(shop.read(".copier-answers.yml"))
    assert (recorded["deploy"], recorded["catalog"]) == ("both", "backstage")


def test_a_new_repository_is_not_older_whatever_is_answered(version: TemplateVersion) -> None:
    for given in ({}, {"ci": "gitlab"}, {"ci": "none", "modules": "[]"}):
        values = version.render("https://git.acme.org/template.git", "v1.0.0", given=given).answers
        assert values.values["deploy"] == "kubernetes"
        assert values.values["catalog"] == "none"
