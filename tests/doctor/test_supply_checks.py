"""Actions, Python and PostgreSQL."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from ailing import SHA, TODAY

from scaffold.doctor import lifetimes

CI = Path(".github/workflows/ci.yml")
DIGEST = "0" * 64


@pytest.mark.parametrize(
    "uses",
    [
        f"actions/checkout@{SHA}",
        f'"actions/checkout@{SHA}"',
        "./.github/actions/setup",
        "../.github/actions/setup",
        f"docker://alpine@sha256:{DIGEST}",
        f"acme/pipelines/.github/workflows/check.yml@{SHA}",
    ],
)
def test_what_is_pinned_is_not_told(shop: Path, look, uses: str) -> None:
    CI.write_text(f"jobs:\n  a:\n    steps:\n      - uses: {uses}\n  b:\n    uses: {uses}\n")
    assert look("SC-017") == []


@pytest.mark.parametrize(
    "uses", ["actions/checkout@v6", "actions/checkout@main", "docker://alpine:3", "acme/a/b@1.2.3"]
)
def test_what_may_move_is_told_with_its_line(shop: Path, look, uses: str) -> None:
    CI.write_text(f"# by {SHA}\njobs:\n  a:\n    steps:\n      - uses: {uses} # v6\n")
    assert look("SC-017") == [
        f".github/workflows/ci.yml calls {uses}, which may be another tomorrow"
    ]


def test_reusable_workflows_and_own_actions_are_looked_at(shop: Path, look) -> None:
    CI.write_text("jobs:\n  a:\n    uses: acme/p/.github/workflows/x.yml@main\n")
    own = Path(".github/actions/setup/action.yml")
    own.parent.mkdir(parents=True)
    own.write_text("runs:\n  using: composite\n  steps:\n    - uses: actions/cache@v5\n")
    assert len(look("SC-017")) == 2


@pytest.mark.parametrize(
    "text",
    [
        "jobs:\n  a:\n    steps:\n      - run: |\n          - uses: actions/checkout@v6\n",
        "# - uses: actions/checkout@v6\njobs: {}\n",
        "jobs:\n  a:\n    steps:\n      - uses:\n",
        "jobs: [a, b]\n",
        "jobs: {a: [\n",
        "",
    ],
)
def test_what_calls_nothing_is_not_told(shop: Path, look, text: str) -> None:
    CI.write_text(text)
    assert look("SC-017") == []


def test_versions_are_told_half_a_year_before_they_end(shop: Path, look) -> None:
    end = lifetimes.ENDS["python"]["3.13"]
    assert look("SC-018", end - timedelta(days=lifetimes.SOON + 1)) == []
    assert look("SC-018", end - timedelta(days=lifetimes.SOON)) == [
        "Python 3.13 gets security fixes until 2029-10-31"
    ]
    assert look("SC-018", end + timedelta(days=1)) == [
        "Python 3.13 has got no security fixes since 2029-10-31"
    ]
    Path("compose.yaml").write_text("services:\n  db:\n    image: postgres:14.2-alpine\n")
    assert look("SC-019") == ["PostgreSQL 14 has got no security fixes since 2026-11-12"]


@pytest.mark.parametrize(
    ("path", "text", "version"),
    [
        ("Dockerfile", "FROM python:3.10.2-slim\n", "3.10"),
        (".gitlab-ci.yml", "default:\n  image: python:3.9-bookworm\n", "3.9"),
        (".python-version", "3.8.1\n", "3.8"),
        (".github/workflows/a.yml", 'steps:\n  - with: {python-version: "3.9"}\n', "3.9"),
    ],
)
def test_a_python_is_found_wherever_it_is_named(
    shop: Path, look, path: str, text: str, version: str
) -> None:
    Path(path).write_text(text)
    assert [what.split(" has")[0] for what in look("SC-018")] == [f"Python {version}"]


@pytest.mark.parametrize(
    "line",
    [
        "FROM python:3",
        "FROM python:latest",
        "FROM acme-python:3.8",
        "FROM python:3.14-slim  # no longer python:3.8",
        "RUN echo cpython:3.81",
        "FROM node:3.9",
    ],
)
def test_what_names_no_old_python_is_not_told(shop: Path, look, line: str) -> None:
    Path("Dockerfile").write_text(f"{line}\n")
    assert look("SC-018") == []


def test_a_version_that_nobody_knows_yet_is_not_told(shop: Path, look) -> None:
    Path("Dockerfile").write_text("FROM python:3.99\n")
    Path("compose.yaml").write_text("image: postgres:99\n")
    assert look("SC-018", date(2040, 1, 1)) + look("SC-019", date(2040, 1, 1)) == []


def test_the_table_knows_what_the_template_runs() -> None:
    assert lifetimes.end_of("python", "3.13")
    assert lifetimes.end_of("postgres", "18")
    assert lifetimes.end_of("python", "2.7") == lifetimes.ENDS["python"]["3.9"]
    assert all(end > TODAY - timedelta(days=800) for end in lifetimes.ENDS["python"].values())
