"""A product may be called what YAML or SQL takes for something else, or is told why not."""

import asyncio
import re
import tomllib
from pathlib import Path

import asyncpg
import pytest
import yaml
from generated import ROOT
from jinja2 import Environment

from scaffold.names import DEPENDENCIES, is_project

JINJA = Environment(extensions=["jinja2_ansible_filters.AnsibleCoreFiltersExtension"])
QUESTIONS = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))
ANSWERS = {"description": "A shop.", "owner": "@acme/team", "modules": [], "ci": "github"}
ANSWERS |= {"kubernetes": True, "compose": True, "catalog": "backstage"}
# Of YAML 1.1: PyYAML's, Kubernetes' and Compose's.
SCALARS = "y yes n no true false on off null none nan inf e1 o7 x1".split()


def render(file: Path, name: str) -> str:
    return JINJA.from_string(file.read_text("utf-8")).render(ANSWERS, project_name=name)


def objection(name: str) -> str:
    words = QUESTIONS["dependency_names"]["default"]
    validator = JINJA.from_string(QUESTIONS["project_name"]["validator"])
    return validator.render(project_name=name, dependency_names=words).strip()


def of_yaml() -> list[Path]:
    files = sorted((ROOT / "template").rglob("*.y*ml.jinja"))
    return [file for file in files if "project_name" in file.read_text("utf-8")]


def renamed(found: object, old: str, new: str) -> object:
    """The same content, with a name in place of another."""
    if isinstance(found, dict):
        return {key: renamed(value, old, new) for key, value in found.items()}
    if isinstance(found, list):
        return [renamed(each, old, new) for each in found]
    return found.replace(old, new) if isinstance(found, str) else found


@pytest.mark.parametrize("file", of_yaml(), ids=lambda file: file.name)
def test_what_yaml_reads_as_something_else_stays_a_name(file: Path) -> None:
    like = list(yaml.safe_load_all(render(file, "zzz")))
    for name in SCALARS:
        if is_project(name):
            assert list(yaml.safe_load_all(render(file, name))) == renamed(like, "zzz", name), name


def test_every_word_of_postgres_can_be_its_login_or_is_refused(postgres: str) -> None:
    file = ROOT / "template/deploy/compose/login.sql.jinja"

    async def refusals() -> dict[str, str]:
        refused: dict[str, str] = {}
        connection = await asyncpg.connect(postgres)
        words = [
            row["word"] for row in await connection.fetch("SELECT word FROM pg_get_keywords()")
        ]
        for word in [
            *words,
            "public",
            "none",
            "pg_shop",
            "pg_database_owner",
            "admin",
            "template1",
        ]:
            name = word.replace("_", "-")
            if not is_project(name):
                continue
            statement = render(file, name).splitlines()[-1].replace(":'password'", "'x'")
            transaction = connection.transaction()
            await transaction.start()
            try:
                await connection.execute(statement)
            except asyncpg.PostgresError as error:
                refused[name] = str(error)
            await transaction.rollback()
        await connection.close()
        assert len(words) > 400
        return refused

    assert asyncio.run(refusals()) == {}


def test_a_package_it_depends_on_is_refused_with_the_reason() -> None:
    project = tomllib.loads(render(ROOT / "template/pyproject.toml.jinja", "shop"))
    groups = project["dependency-groups"].values()
    required = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    required += [each for group in groups for each in group if isinstance(each, str)]
    direct = {re.split(r"[^A-Za-z0-9-]", each)[0].lower() for each in required}
    assert direct <= DEPENDENCIES
    for name in DEPENDENCIES:
        assert "it would depend on itself" in objection(name)
        assert not is_project(name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("public", "PostgreSQL"),
        ("pg-shop", "PostgreSQL"),
        ("admin", "compose.yaml"),
        ("template1", "PostgreSQL"),
        ("scratch", "Docker"),
        ("app", "package"),
    ],
)
def test_what_others_have_is_refused_with_the_reason(name: str, said: str) -> None:
    assert said in objection(name)
    assert not is_project(name)


@pytest.mark.parametrize("name", ["order", "no", "on", "yes", "select", "user", "shop", "x"])
def test_what_can_be_quoted_is_accepted(name: str) -> None:
    assert objection(name) == ""
    assert is_project(name)
