"""A lock of another pyproject.toml."""

from pathlib import Path

import pytest
from histories import edit

LOCK = """\
version = 1

[[package]]
name = "fastapi"
version = "0.165.0"
source = { registry = "https://example.org" }

[[package]]
name = "shop"
version = "0.1.0"
source = { editable = "." }

[package.metadata]
requires-dist = [
    { name = "fastapi", specifier = ">=0.1,<2" },
    { name = "uvicorn", extras = ["standard"], marker = "sys_platform != 'win32'", specifier = ">=0.5" },
]

[package.metadata.requires-dev]
dev = [
    { name = "pytest", specifier = ">=9" },
    { name = "ruff", specifier = ">=0.17" },
]
lint = [{ name = "ruff", specifier = ">=0.17" }]
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("fastapi>=0.1,<2", "FastAPI <2, >=0.1"),
        ("fastapi>=0.1,<2", "fastapi>=0.1.0,<2.0"),
        ("dev = [{", "dev = [ {"),
    ],
)
def test_the_same_in_other_words_is_the_same(shop: Path, look, old: str, new: str) -> None:
    assert look("SC-020") == []  # Without a lock there is none to be wrong.
    Path("uv.lock").write_text(LOCK)
    assert look("SC-020") == []
    edit("pyproject.toml", old, new)
    assert look("SC-020") == []


@pytest.mark.parametrize(
    ("old", "new", "package"),
    [
        ("fastapi>=0.1,<2", "fastapi>=0.2,<2", "fastapi"),
        ('"fastapi>=0.1,<2", ', "", "fastapi"),
        ('"pytest>=9"', '"pytest>=9", "mypy"', "mypy"),
        ('"ruff>=0.17"', '"ruff>=0.18"', "ruff"),
    ],
)
def test_what_was_added_moved_or_taken_out_is_named(
    shop: Path, look, old: str, new: str, package: str
) -> None:
    Path("uv.lock").write_text(LOCK)
    edit("pyproject.toml", old, new)
    assert look("SC-020") == [f"uv.lock does not say what pyproject.toml says of {package}"]


@pytest.mark.parametrize(
    "more",
    [
        '[tool.uv.sources]\nuvicorn = { git = "https://example.org/u.git" }\n',
        '[project.optional-dependencies]\nx = ["y"]\n',
        "[tool.uv]\ndev-dependencies = []\n",
    ],
)
def test_what_uv_writes_in_other_words_is_left_to_uv(shop: Path, look, more: str) -> None:
    Path("uv.lock").write_text(LOCK)
    edit("pyproject.toml", "uvicorn[standard]>=0.5", "uvicorn[standard]>=0.6")
    Path("pyproject.toml").write_text(f"{Path('pyproject.toml').read_text()}\n{more}")
    assert look("SC-020") == []
