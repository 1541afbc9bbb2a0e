"""Migrations, read without running them."""

from pathlib import Path

import pytest

from app.platform.migrations.revisions import read_revisions, Revisions


def write(folder: Path, *texts: str) -> Path:
    for number, text in enumerate(texts):
        (folder / f"{number}.py").write_text(text)
    return folder


def test_a_history_is_what_it_has_and_where_it_ends(tmp_path: Path) -> None:
    write(
        tmp_path,
        "revision = '1'\ndown_revision = None",
        "revision: str = '2'\ndown_revision: str = '1'",
        "revision = '3'\ndown_revision = '1'\nraise ValueError('it was run')",
    )
    assert read_revisions(tmp_path) == Revisions(frozenset("123"), frozenset("23"))
    (tmp_path / "4.py").write_text("revision = '4'\ndown_revision = ('2', '3')")
    assert read_revisions(tmp_path) == Revisions(frozenset("1234"), frozenset("4"))


@pytest.mark.parametrize(
    "text",
    [
        "revision, down_revision = '2', '1'",
        "revision = name()\ndown_revision = '1'",
        "revision = '2'",
        "revision = '2'\ndown_revision = 'lost'",
        "revision =",
    ],
)
def test_alembic_is_asked_about_what_cannot_be_read(tmp_path: Path, text: str) -> None:
    assert read_revisions(write(tmp_path, "revision = '1'\ndown_revision = None", text)) is None
