"""All other pages, typed from the top; what is not, says why."""

from pathlib import Path

import pytest
from pages import PAGES, fences, name, steps
from stranger import Stranger

pytestmark = [pytest.mark.docs, pytest.mark.slow]

LANGUAGES = {"sh", "console", "json", "python", "text", "toml", "yaml"}
TYPED = [page for page in PAGES if page.stem != "tutorial" and any(steps(page))]


@pytest.mark.parametrize("page", TYPED, ids=name)
def test_what_a_page_says_can_be_typed(
    page: Path, tmp_path: Path, address: str, tool: Path
) -> None:
    with Stranger(tmp_path / "stranger", address, tool) as stranger:
        for step in steps(page):
            if step.mark != "not run":
                stranger.do(step)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_block_says_what_it_holds(page: Path) -> None:
    for line, language, _ in fences(page):
        known = language in LANGUAGES or language.startswith("{")
        assert known, f"{name(page)}:{line}: write ```sh for commands, or one of {LANGUAGES}"


def test_what_is_not_typed_says_why() -> None:
    left = [step for page in PAGES for step in steps(page) if step.mark == "not run"]
    for step in left:
        print(f"{step.place}  {step.command.partition('  #')[0]}\n    {step.reason}")
    assert all(step.reason for step in left)
    typed = sum(step.mark != "not run" for page in PAGES for step in steps(page))
    print(f"{typed} commands are typed, {len(left)} are not")
    assert len(left) < typed / 4
