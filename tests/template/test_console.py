"""The console of a running shop, as a developer uses it: in a browser, with both colour schemes.

`PICTURES=docs` keeps the pictures that the last test takes.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from generated import ROOT, UV, Generate
from playwright.sync_api import Browser, Page, expect, sync_playwright
from running import call, eventually, running
from shops import Shop

pytestmark = pytest.mark.browser
expect.set_options(timeout=120_000)  # A busy machine takes its time.

CHROMIUM = "/usr/bin/chromium"
OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
PAGES = ["", "/requests", "/logs", "/queue", "/sql", "/flags", "/try"]
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
NARROW = {"width": 360, "height": 740}
PICTURES = {"console-light": "light", "console-dark": "dark", "console-trace": "light"}


@pytest.fixture(scope="module")
def shop(generate: Generate) -> Iterator[Shop]:
    repository = generate(example=True)
    environment = {k: v for k, v in repository.environment.items() if k != "DATABASE_URL"}
    repository.environment = environment
    repository.run(UV, "sync", "--quiet")
    with running(repository) as (_, address):
        yield Shop(repository, address)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, shop: Shop) -> Iterator[Page]:
    """A page in which nothing may go wrong, and which asks nobody but the shop."""
    context = chromium.new_context(base_url=shop.address, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda each: each.url.startswith(shop.address) or wrong.append(each.url))
    yield page
    context.close()
    assert wrong == []


def test_an_order_is_followed_from_the_request_to_its_statements_and_its_job(
    page: Page, shop: Shop
) -> None:
    page.goto("/_dev")
    shop.order()
    page.get_by_role("link", name="POST /ordering/orders").first.click()  # It came by itself.
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("/ordering/orders.*201"))
    waterfall = page.locator(".waterfall")
    for name in (
        "ordering.place_order",
        "catalog.reserve",
        "billing.charge",
        "publish OrderCharged",
    ):
        expect(waterfall.get_by_text(name, exact=True)).to_be_visible()
    expect(waterfall.get_by_text("run ordering.open_shipment")).to_be_visible()
    statement = waterfall.locator("details", has_text="UPDATE billing.accounts").last
    statement.locator("summary").click()
    expect(statement.get_by_text("UPDATE billing.accounts SET owed")).to_be_visible()
    lines = page.get_by_role("region", name="Its log")
    expect(lines.get_by_text("POST /ordering/orders 201")).to_be_visible()
    expect(lines.get_by_text("ordering.open_shipment done")).to_be_visible()


def test_a_job_that_fails_and_is_tried_again_is_in_the_trace_of_its_request(
    page: Page, shop: Shop
) -> None:
    shop.execute("ordering", "ALTER TABLE ordering.shipments RENAME TO misplaced")
    try:
        shop.order()
        page.goto("/_dev/requests?failed=1")
        page.get_by_role("link", name="POST /ordering/orders").click()
    finally:
        shop.execute("ordering", "ALTER TABLE ordering.misplaced RENAME TO shipments")
    attempts = page.locator(".waterfall summary", has_text="run ordering.open_shipment")
    expect(attempts.filter(has_text="failed").first).to_be_visible()
    expect(attempts.last).not_to_contain_text("failed")
    expect(attempts.last).to_contain_text("attempt")
    expect(page.get_by_text("in which nothing ran, drawn shorter")).to_be_visible()


def test_a_line_of_the_log_leads_to_its_trace(page: Page, shop: Shop) -> None:
    shop.order()
    page.goto("/_dev/logs?module=ordering")
    page.get_by_role("link", name="Trace of POST /ordering/orders 201").first.click()
    expect(page.locator(".waterfall")).to_be_visible()


def test_a_held_job_is_retried_with_the_keyboard_and_seen_to_be_done(
    page: Page, shop: Shop
) -> None:
    shop.order()
    shop.execute("billing", "UPDATE billing.accounts SET owed = owed + 1")
    shop.audit()
    page.goto("/_dev/queue")
    held = page.get_by_role("article", name=re.compile("billing.audit_ledger"))
    expect(held).to_contain_text("LedgerError: Owed and entries differ for")
    shop.execute("billing", "UPDATE billing.accounts SET owed = owed - 1")
    retry = page.get_by_role("button", name=re.compile("Retry job"))
    for _ in range(60):
        page.keyboard.press("Tab")
        if retry.evaluate("button => button === document.activeElement"):
            break
    page.keyboard.press("Enter")
    said = page.get_by_text(re.compile(r"Job \d+ is to run again"))
    expect(said).to_be_visible()
    expect(held).to_have_count(0)
    page.goto("/_dev/requests?module=billing")
    done = page.get_by_role("row", name=re.compile("JOB billing.audit_ledger")).filter(
        has_text="1 done"
    )
    expect(done).to_be_visible()


def test_a_get_is_tried_from_the_page(page: Page, shop: Shop) -> None:
    id = shop.order()
    page.goto("/_dev/try")
    operation = page.locator("details", has_text="/ordering/orders/{id} Get Order")
    operation.locator("summary").click()
    operation.get_by_label("Path").fill(f"/ordering/orders/{id}")
    operation.get_by_role("button", name="Send").click()
    answer = page.get_by_role("region", name="GET /ordering/orders/")
    expect(answer).to_contain_text("200")
    expect(answer).to_contain_text(f'"id": "{id}"')
    answer.get_by_role("link", name="See its trace").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("/ordering/orders/{id}")


@pytest.mark.parametrize("scripts", [True, False])
def test_one_signs_in_as_anybody_and_is_remembered(
    chromium: Browser, shop: Shop, scripts: bool
) -> None:
    context = chromium.new_context(base_url=shop.address, java_script_enabled=scripts)
    page = context.new_page()
    page.goto("/_dev/try")
    expect(page.get_by_role("heading", name="Requests are sent as me")).to_be_visible()
    page.get_by_label("Who").fill("ada")
    page.get_by_label("catalog:write").uncheck()
    page.get_by_role("button", name="Sign in").click()
    page.goto("/_dev")
    page.goto("/_dev/try")
    expect(page.get_by_role("heading", name="Requests are sent as ada")).to_be_visible()
    expect(page.get_by_label("catalog:write")).not_to_be_checked()
    expect(page.get_by_label("orders:ship")).to_be_checked()
    page.get_by_text("The token, for a day").click()
    expect(page.locator("#token pre")).to_have_text(re.compile("^eyJ"))
    adding = page.locator("details", has_text="POST /catalog/products catalog:write")
    adding.locator("summary").click()
    adding.get_by_label("Body").fill('{"name": "Hammer", "price": "9.90"}')
    adding.get_by_role("button", name="Send").click()
    answer = page.get_by_role("region", name="POST /catalog/products")
    expect(answer).to_contain_text("This needs the scope catalog:write.")
    page.get_by_role("button", name="Forget").click()
    expect(page.get_by_role("heading", name="Requests are sent as me")).to_be_visible()
    context.close()


def test_the_documentation_needs_no_network_and_takes_a_token(page: Page) -> None:
    page.goto("/_dev/try")
    page.get_by_text("The token, for a day").click()
    token = page.locator("#token pre").inner_text()
    page.goto("/docs")
    expect(page.get_by_role("heading", name=re.compile("^shop"))).to_be_visible()
    operation = page.locator(".opblock", has_text="/ordering/shipments")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()  # As whom the console signs in.
    status = operation.locator(".live-responses-table .response-col_status").last
    expect(status).to_have_text(re.compile("^200"))
    page.locator(".auth-wrapper .authorize").click()
    dialog = page.locator(".modal-ux")
    dialog.get_by_role("button", name="Remove authorization").click()
    dialog.locator("input").fill(token)
    dialog.get_by_role("button", name="Apply credentials").click()
    dialog.get_by_role("button", name="Close").click()
    with page.expect_request("**/ordering/shipments*") as sent:
        operation.get_by_role("button", name="Execute").click()
    assert sent.value.headers["authorization"] == f"Bearer {token}"


def test_it_works_without_scripts(chromium: Browser, shop: Shop) -> None:
    shop.order()
    context = chromium.new_context(base_url=shop.address, java_script_enabled=False)
    page = context.new_page()
    page.goto("/_dev/requests")
    page.get_by_role("link", name="POST /ordering/orders").first.click()
    page.locator(".waterfall summary").first.click()
    expect(page.locator(".waterfall dl").first).to_be_visible()
    context.close()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_everybody_can_use_it_in_any_light_and_on_a_small_screen(
    page: Page, shop: Shop, scheme: Literal["light", "dark"]
) -> None:
    shop.order()
    shop.get("/catalog/products?limit=0")
    page.emulate_media(color_scheme=scheme)
    page.goto("/_dev/requests")
    trace = page.get_by_role("link", name="POST /ordering/orders").first.get_attribute("href")
    for path in [*(f"/_dev{each}" for each in PAGES), trace]:
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(str(path))
        if path in (trace, "/_dev/try"):
            page.locator("main summary").nth(1).click()
        found = Axe().run(page).response["violations"]
        assert [(path, each["id"], each["nodes"][0]["target"]) for each in found] == []
        page.set_viewport_size(NARROW)
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"], path


def test_the_first_stop_of_the_keyboard_skips_to_the_content(page: Page) -> None:
    page.goto("/_dev")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_what_is_open_and_focused_stays_so_when_the_page_is_renewed(page: Page, shop: Shop) -> None:
    shop.order()
    page.goto("/_dev/requests")
    link = page.get_by_role("link", name="POST /ordering/orders").last
    link.focus()
    before = page.locator("tbody tr").count()
    shop.order()
    expect(page.locator("tbody tr")).not_to_have_count(before)
    expect(page.locator("tbody a:focus")).to_have_count(1)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status").first).to_have_text("Paused")


def test_pictures_for_the_documentation(chromium: Browser, shop: Shop, tmp_path: Path) -> None:
    """The tests before have left it with something to show."""
    folder = Path(ROOT / os.environ["PICTURES"]) if "PICTURES" in os.environ else tmp_path
    id = shop.order(12)
    for path in (f"/ordering/orders/{id}", "/catalog/products", "/ordering/shipments"):
        shop.get(path)
    shop.order(700)
    for name, scheme in PICTURES.items():
        context = chromium.new_context(
            base_url=shop.address,
            viewport={"width": 1280, "height": 1040 if name == "console-trace" else 860},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        page = context.new_page()
        page.goto("/_dev/requests?failed=1" if name == "console-trace" else "/_dev")
        if name == "console-trace":
            page.get_by_role("link", name="POST /ordering/orders").last.click()
        expect(page.get_by_role("status").first).to_have_text("Live")
        picture = folder / f"{name}.png"
        page.screenshot(path=picture)
        assert 10_000 < picture.stat().st_size < 200_000
        context.close()


def test_what_does_not_start_says_why_and_comes_to_life_when_it_is_mended(
    chromium: Browser, shop: Shop, tmp_path: Path
) -> None:
    context = chromium.new_context(base_url=shop.address, viewport=NARROW)
    page = context.new_page()
    service = shop.repository.path / "src/app/modules/billing/service.py"
    whole = service.read_text("utf-8")
    try:
        service.write_text(f"{whole}\ndef broken(:\n", "utf-8")
        eventually(lambda: call(f"{shop.address}/readyz")[0] == 503)
        page.goto("/_dev/requests")
        expect(page.get_by_role("alert")).to_contain_text("billing cannot be imported: SyntaxError")
        page.get_by_text("Where it comes from").click()
        expect(page.get_by_text("Traceback (most recent call last)")).to_be_visible()
        assert Axe().run(page).response["violations"] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
        page.screenshot(path=tmp_path / "failure.png")
        page.wait_for_timeout(2500)  # It asks meanwhile, and what is open stays so.
        expect(page.get_by_text("Traceback (most recent call last)")).to_be_visible()
    finally:
        service.write_text(whole, "utf-8")
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("^Requests"))
    context.close()
