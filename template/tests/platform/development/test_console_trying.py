"""Requests that the console sends, and as whom."""

import re
from collections.abc import Mapping
from html import unescape

import pytest
from fastapi import FastAPI
from httpx import AsyncClient, Response

from app.development.console.person import CannotSendError, Person
from app.development.console.recorder import Recorder
from app.development.console.routes import Console
from app.development.issuer import DevelopmentIssuer
from app.platform.auth.tokens import Tokens
from app.platform.flags.provider import FlagFiles
from app.platform.settings.settings import Settings
from app.platform.wiring.modules import ModuleFolder

from ..browsing import EVIL, is_sound, open_browser, OWN

PRICES, CHANGE = "GET /billing/prices", "PATCH /billing/invoices/{number}"


async def sign_in(browser: AsyncClient, subject: str, *scopes: str) -> Response:
    form = {"subject": subject, "scopes": scopes}
    return await browser.post("/_dev/try/as", headers=OWN, data=form)


async def send(browser: AsyncClient, operation: str, path: str, **more: str) -> Response:
    form = {"operation": operation, "path": path, **more}
    return await browser.post("/_dev/try", headers=OWN, data=form)


def token_on(page: Response) -> str:
    found = re.search(r"<pre[^>]*>(eyJ[^<]+)</pre>", page.text)
    assert found
    return found[1]


async def test_at_first_requests_are_those_of_one_who_may_do_all(browser: AsyncClient) -> None:
    shown = await browser.get("/_dev/try")
    issuer = DevelopmentIssuer()
    principal = await Tokens(issuer, issuer.audience).principal(token_on(shown))
    assert principal.id == "me"
    assert principal.scopes == {"billing:check", "billing:write"}
    assert shown.text.count(" checked>") == 2
    assert "Forget" not in shown.text


async def test_one_signs_in_as_anybody_with_any_scopes_and_is_remembered(
    browser: AsyncClient,
) -> None:
    answer = await sign_in(browser, " Åda & 'Co' ", "billing:check", "else:where  more")
    assert (answer.status_code, answer.headers["location"]) == (303, "/_dev/try#as")
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {*cookie.split("; ")}
    assert "eyJ" not in cookie
    shown = await browser.get("/_dev/try")
    assert is_sound(shown)
    assert shown.text.count(" checked>") == 1
    assert 'value="else:where more"' in shown.text
    changed = await send(browser, CHANGE, "/billing/invoices/7", **{"header note": "paid"})
    told = unescape(changed.text)
    assert '"by": "Åda & \'Co\'"' in told
    assert re.search(r'"scopes": \[\s+"billing:check",\s+"else:where",\s+"more"\s+\]', told)
    assert "app token --subject 'Åda & '\"'\"'Co'\"'\"'' --scope billing:check" in told


async def test_who_is_forgotten_is_nobody_again(browser: AsyncClient) -> None:
    await sign_in(browser, "ada")
    assert "Requests are sent as ada" in (await browser.get("/_dev/try")).text
    forgotten = await browser.post("/_dev/try/as", headers=OWN, data={"forget": "yes"})
    assert forgotten.status_code == 303
    assert "Requests are sent as me" in (await browser.get("/_dev/try")).text


@pytest.mark.parametrize(
    ("subject", "scopes", "said"),
    [
        ("", "", "Say who sends"),
        ("a\nb", "", "Say who sends"),
        ("a" * 256, "", "Say who sends"),
        ("ada", 'quo"te', 'quo"te is no scope'),
        ("ada", "é", "é is no scope"),
        ("ada", " ".join(f"scope:{number}" for number in range(500)), "choose fewer"),
    ],
)
async def test_nobody_is_signed_in_whom_no_token_could_name(
    browser: AsyncClient, subject: str, scopes: str, said: str
) -> None:
    refused = await sign_in(browser, subject, scopes)
    assert (refused.status_code, is_sound(refused)) == (422, True)
    assert said in unescape(refused.text)
    assert "set-cookie" not in refused.headers
    with pytest.raises(CannotSendError):
        Person.called(subject, scopes)


@pytest.mark.parametrize("cookie", ["", "x", "subject=", "subject=a%00", "scopes=a", EVIL])
def test_a_cookie_that_is_not_ours_names_nobody(cookie: str) -> None:
    assert Person.remembered(cookie) is None


def test_what_is_remembered_comes_back() -> None:
    person = Person.called("a=b&c;d+é", "x:y a+b")
    assert Person.remembered(person.as_cookie()) == person


async def test_an_operation_is_tried_and_leads_to_its_trace(browser: AsyncClient) -> None:
    tried = await send(browser, PRICES, f"/billing/prices?of={EVIL}")
    assert (tried.status_code, is_sound(tried)) == (200, True)
    assert "&lt;script&gt;alert(1)" in tried.text
    assert "content-type: application/json" in tried.text
    assert re.search(r'href="/_dev/traces/[0-9a-f]{32}"', tried.text)
    missing = await send(browser, PRICES, "/billing/nothing")
    assert ">404</span>" in missing.text


async def test_a_body_is_sent_as_it_was_written_and_stays_to_be_mended(
    browser: AsyncClient,
) -> None:
    operation, path = "POST /billing/invoices", "/billing/invoices"
    made = await send(browser, operation, path, body='{"number": 1, "note": "é"}')
    assert ">200</span>" in made.text
    wrong = await send(browser, operation, path, body='{"number": "x"}')
    assert ">422</span>" in wrong.text
    assert "body.number" in wrong.text
    assert '{"number": "x"}</textarea>' in unescape(wrong.text)
    await sign_in(browser, "ada")
    assert ">403</span>" in (await send(browser, operation, path, body="{}")).text


@pytest.mark.parametrize("path", ["", "http://example.com/", "@example.com", "/" * 9_000, "/é\n"])
async def test_only_paths_can_be_tried(browser: AsyncClient, path: str) -> None:
    refused = await send(browser, PRICES, path)
    assert (refused.status_code, is_sound(refused)) == (422, True)


@pytest.mark.parametrize(
    "form",
    [
        {"operation": "DELETE /billing/prices", "path": "/billing/prices"},
        {"operation": CHANGE, "path": "/billing/invoices/7", "header note": "é"},
        {"operation": PRICES, "path": "/billing/prices", "body": "x" * 1_000_000},
    ],
)
async def test_what_cannot_be_sent_is_refused_in_a_sentence(
    browser: AsyncClient, form: Mapping[str, str]
) -> None:
    refused = await browser.post("/_dev/try", headers=OWN, data=form)
    assert (refused.status_code, is_sound(refused)) == (422, True)
    assert 'id="said"' in refused.text


async def test_a_route_is_shown_with_a_line_that_calls_it(browser: AsyncClient) -> None:
    shown = unescape((await browser.get("/_dev/try")).text)
    assert "app token --scope billing:write)" in shown
    assert """-d '{"number": 1, "note": "…"}'""" in shown
    assert "-H 'note: …'" in shown
    await sign_in(browser, "ada", "billing:check")
    body = '{"note":\n"it\'s"}'
    sent = await send(browser, CHANGE, "/billing/invoices/7", body=body, **{"header note": "x"})
    line = unescape(sent.text)
    assert "app token --subject ada --scope billing:check)" in line
    assert "-H 'note: x'" in line
    assert """-d '{"note": "it'\\''s"}'""" in line
    assert "'http://127.0.0.1:8000/billing/invoices/7'" in line


async def test_another_site_signs_nobody_in(browser: AsyncClient) -> None:
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    refused = await browser.post("/_dev/try/as", headers=headers, data={"subject": "eve"})
    assert (refused.status_code, "set-cookie" in refused.headers) == (403, False)


async def test_where_an_issuer_is_named_the_console_has_no_tokens(
    api: FastAPI, settings: Settings, folders: list[ModuleFolder], recorder: Recorder
) -> None:
    named = settings.model_copy(update={"oidc_issuer": "https://id.example.com"})
    console = Console(api, named, folders, {}, FlagFiles(folders), recorder)
    async with open_browser(console) as browser:
        for page in ("/_dev/try", "/docs"):
            shown = await browser.get(page)
            assert (shown.status_code, "eyJ" in shown.text) == (200, False)
        assert (await send(browser, PRICES, "/billing/prices")).status_code == 422


async def test_the_documentation_loads_nothing_from_elsewhere(browser: AsyncClient) -> None:
    page = await browser.get("/docs")
    assert "script-src 'self';" in page.headers["content-security-policy"]
    found = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(found) == 4
    for each in found:
        assert each.startswith("/_dev/")
        assert (await browser.get(each)).status_code == 200
    assert re.search(r'data-token="eyJ', page.text)


async def test_the_documentation_is_for_this_machine(browser: AsyncClient) -> None:
    assert (await browser.get("/docs", headers={"Host": "shop.example.com"})).status_code == 403
