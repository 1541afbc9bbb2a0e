"""The site that `make docs` has made: whole, and for a reader without a network or a server."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pages import PAGES, ROOT, name

pytestmark = pytest.mark.docs

SITE = ROOT / "site"
NAMED = [page for page in PAGES if page.name not in ("README.md", "index.md")]
NAMED += sorted((SITE.parent / "template/docs").glob("*.md*"))


class _Fetched(HTMLParser):
    """What a browser fetches of a page by itself, as it stands."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "link" and "canonical" not in str(given.get("rel")):
            self.addresses.append(str(given["href"]))
        elif tag != "a":
            self.addresses += [str(given[each]) for each in ("src", "srcset") if given.get(each)]


@pytest.fixture(scope="module")
def htmls() -> list[Path]:
    found = sorted(SITE.glob("**/*.html"))
    assert found, "run `make docs` first: `make test-docs` does"
    return found


def test_a_browser_fetches_nothing_from_elsewhere(htmls: list[Path]) -> None:
    for html in htmls:
        fetched = _Fetched()
        fetched.feed(html.read_text("utf-8"))
        for address in fetched.addresses:
            file = re.split("[?#]", address)[0]
            assert (html.parent / file).exists(), f"{html.relative_to(SITE)} fetches {address}"
    for style in SITE.glob("_static/**/*.css"):
        assert not re.search(r"url\(['\"]?https?:|@import", style.read_text("utf-8")), style


@pytest.mark.parametrize("page", NAMED, ids=name)
def test_a_page_says_first_what_it_is_for(page: Path) -> None:
    said = [line for line in page.read_text("utf-8").splitlines() if line and line[0] not in "#{"]
    assert said[0].startswith("For "), said[0]


def test_search_needs_no_server() -> None:
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("needs Debian's chromium")
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=8000")
    address = f"{(SITE / 'search.html').as_uri()}?q=atomicity"
    command = (chromium, *options, "--dump-dom", address)
    found = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    assert 'href="carving.html' in found, found[-2000:]
