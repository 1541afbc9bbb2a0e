"""What is answered while the application does not start."""

import pytest
from httpx import ASGITransport, AsyncClient, Response

from app.development.failure import Failure

EVIL = "<script>alert(1)</script>"
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


class WaitsError(Exception):
    """Names what waits to be read."""

    sql = f"SELECT '{EVIL}'"


def broken() -> Exception:
    try:
        raise RuntimeError(EVIL)
    except RuntimeError as error:
        return error


async def ask(error: Exception, path: str = "/", method: str = "GET", **headers: str) -> Response:
    transport = ASGITransport(Failure(error))
    async with AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        return await client.request(method, path, headers=headers)


async def test_a_browser_gets_a_page_with_the_sentence_and_the_trace_on_demand() -> None:
    answer = await ask(broken(), "/anything", **BROWSER)
    assert answer.status_code == 503
    before, details = answer.text.split("<details>")
    assert "The application does not start: RuntimeError: &lt;script&gt;" in before
    assert "Traceback (most recent call last)" in details
    assert EVIL not in answer.text
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    for path in ("/_dev/style.css", "/_dev/failure.js", "/_dev/icon.svg"):
        assert f'"{path}"' in answer.text
        assert (await ask(broken(), path)).status_code == 200


async def test_what_waits_to_be_read_is_shown_at_once() -> None:
    answer = await ask(WaitsError("it waits"), **BROWSER)
    assert "SELECT &#39;&lt;script&gt;" in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_others_get_the_sentence_alone(method: str) -> None:
    plain = await ask(broken(), method=method, accept="*/*")
    assert (plain.status_code, plain.text.count("\n")) == (503, 1)
    assert plain.text.startswith("The application does not start: RuntimeError: ")
    problem = await ask(broken(), method=method, accept="application/json")
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json()["detail"] == plain.text.removesuffix("\n")


async def test_the_trace_is_shown_on_this_machine_only() -> None:
    answer = await ask(broken(), host="evil.example:8000", **BROWSER)
    assert answer.status_code == 403
    assert "Traceback" not in answer.text
