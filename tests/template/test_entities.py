"""Entities with fields, as a team gets them."""

import ast
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from generated import UV, Generate, Repository, scaffold

from scaffold.errors import ScaffoldError
from scaffold.fields import parse
from scaffold.names import check_entity_with_fields, class_name
from scaffold.reader import TemplateVersion

INSIDE = Path(__file__).parent / "entities"
TYPES = {
    "words": "text",
    "small": "int",
    "large": "bigint",
    "fits": "bool",
    "other": "uuid",
    "day": "date",
    "moment": "datetime",
    "fee": "money",
    "ratio": "decimal(8,3)",
    "state": "enum(open,half_done,done)",
}
MODULES = {
    "web_shop": ["x", "order", "series", "person", "relationship_of_customer"],
    "types": ["type", "match", "set", "list", "b2b"],
    "z": ["analysis:--plural=analyses", "news", "phase2", "phase10", "user"],
    "catalog": ["table", "route", "service", "job:--plural=jobs_of_many_kinds_of_things"],
}
ODD = (
    "type:text match:int? items:bool keys:uuid? hash:date count:datetime list:money? title:enum(a)"
)
REQUESTS = "routes and (found_at_its_location or follow_each_other or leaves_the_rest or deleted)"
"""One test of each route: names meet there, and the other tests say no more of them."""


@pytest.fixture(scope="module")
def clinic(generate: Generate) -> Repository:
    return generate()


def accepts(check: Callable[..., object], *arguments: object) -> bool:
    try:
        check(*arguments)
    except ScaffoldError:
        return False
    return True


def fields() -> str:
    every = [f"{name}:{kind} {name}_too:{kind}?" for name, kind in TYPES.items()]
    return " ".join(every)


@pytest.mark.slow
def test_each_type_goes_there_and_back_again(clinic: Repository) -> None:
    clinic.add_module("things", "--entity", "thing", "--fields", fields())
    tests = [clinic.path / "tests" / file.name for file in INSIDE.glob("test_*.py")]
    for test in tests:
        shutil.copy(INSIDE / test.name, test)
    options = ("--quiet", "--with", "hypothesis", "pytest", "-q", "-p", "no:cacheprovider")
    done = clinic.run(UV, "run", *options, *map(str, tests))
    assert " passed" in done.stdout
    for test in tests:
        test.unlink()
    shutil.rmtree(clinic.path / "src/app/modules/things")
    clinic.git("checkout", "--quiet", "CODEOWNERS")


@pytest.mark.parametrize(("more", "path"), [({}, "/patients"), ({"rooted": True}, "")])
def test_a_module_that_was_made_before_keeps_its_paths(
    real_template: Path, more: dict[str, bool], path: str
) -> None:
    """By its answers: an update would change the API of a team behind its back."""
    given = {"module": "patients", "entity": "patient", "owner": "@acme/team", **more}
    made = TemplateVersion(real_template, "v1.0.0").render("x", "v1.0.0", given=given)
    assert f'@router.get("{path}/{{id}}")'.encode() in made.files["routes.py"].content
    answers = made.files[".copier-answers.module.yml"].content
    assert (b"rooted: true" in answers) is bool(more)


def test_no_entity_and_no_field_takes_the_place_of_a_name_of_the_skeleton(
    clinic: Repository,
) -> None:
    clinic.add_module("kept", "--entity", "zzz", "--fields", fields())
    found = set()
    for file in (clinic.path / "src/app/modules/kept").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [node.id] if isinstance(node, ast.Name) else []
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.asname or alias.name for alias in node.names]
            for name in names:
                snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
                if class_name(snake) == name and "Zzz" not in name:
                    found.add(snake)
    assert {"page_query", "database", "mapped", "if_match"} <= found
    ours = ["Kept", "KeptService"]
    assert {
        each for each in found if accepts(check_entity_with_fields, each, "kept", ours)
    } == set()
    used = {
        node.id
        for file in ("__init__.py", "tables.py")
        for within in ast.parse(clinic.read(f"src/app/modules/kept/{file}")).body
        if isinstance(within, ast.ClassDef)
        for statement in within.body
        if isinstance(statement, ast.AnnAssign | ast.Assign)
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    assert {"datetime", "mapped_column", "func"} <= used
    snake = {name for name in used - {"kind"} if name.islower()}
    assert {name for name in snake if accepts(parse, f"{name}:text")} == set()
    shutil.rmtree(clinic.path / "src/app/modules/kept")
    clinic.git("checkout", "--quiet", "CODEOWNERS")


@pytest.mark.slow
def test_whatever_they_are_called_they_are_green(clinic: Repository) -> None:
    """Each module is tested beside few others: each test starts the whole application."""
    modules, aside = clinic.path / "src/app/modules", clinic.path.parent / "aside"
    aside.mkdir()
    for number, (module, entities) in enumerate(MODULES.items()):
        first, *others = (entity.split(":") for entity in entities)
        if module != "catalog":
            kinds = ODD if number else "name:text"
            clinic.add_module(module, "--entity", *first, "--fields", kinds)
        else:
            others.insert(0, first)
        for entity in others:
            scaffold("add-entity", module, *entity, "--fields", ODD, cwd=clinic.path)
        asked = ("-k", REQUESTS) if number else ()
        done = clinic.pytest(f"src/app/modules/{module}", *asked)
        assert re.search(r"\b\d{2} passed", done.stdout)
        if module != "catalog":
            shutil.move(modules / module, aside / module)
    for each in aside.iterdir():
        shutil.move(each, modules)
    clinic.add_module("empty", "--bare", "--depends-on", "z,catalog")
    clinic.add_module("patients", "--entity", "patient")
    scaffold("add-entity", "patients", "visit", cwd=clinic.path)  # Beside routes of `/{id}`.
    clinic.check()
    clinic.pytest("tests", "src/app/modules/patients", "-k", f"not patients or {REQUESTS}")
    api = clinic.run(".venv/bin/app", "openapi").stdout
    assert '"/patients/{id}"' in api
    assert '"/types/sets/{id}"' in api
    ids = re.findall(r'"operationId": "(\w+)"', api)
    assert len(ids) == len({*ids})
    assert {"list_patients", "update_set", "catalog_list_items", "ordering_list_items"} <= {*ids}
