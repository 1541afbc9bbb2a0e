"""A browser on this machine, as the console sees it."""

import re

from httpx import ASGITransport, AsyncClient, Response

from app.development.console.routes import Console

EVIL = "<script>alert(1)</script>"
OWN = {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"}


def open_browser(console: Console) -> AsyncClient:
    return AsyncClient(transport=ASGITransport(console), base_url="http://127.0.0.1:8000")


def is_sound(response: Response) -> bool:
    """Say whether a page has what each has, and nothing in it runs that is not ours."""
    page = response.text
    assert page.count("<main") == page.count("<h1") == 1
    assert '<html lang="en">' in page
    assert 'href="#main"' in page
    assert "<script>" not in page
    assert "style=" not in page
    assert not re.search(r"\son\w+=", page)
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    return True
