"""The console's pages, and who may see them."""

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from sqlalchemy.ext.asyncio import AsyncEngine

from app.development.console.recorder import Recorder
from app.development.console.routes import Console
from app.platform.database.database import Database
from app.platform.flags.provider import FlagFiles
from app.platform.jobs.queue import connect_queue, enqueue, NewJob
from app.platform.settings.settings import Settings
from app.platform.wiring.modules import ModuleFolder

from ..browsing import EVIL, is_sound, open_browser, OWN
from ..spans import attempt, request, span, sql

PAGES = ["", "/requests", "/logs", "/queue", "/sql", "/flags", "/try"]


async def hold(settings: Settings, engine: AsyncEngine, error: str = "no") -> int:
    """Put a job into the queue that has given up; return its id."""
    async with Database(engine, "catalog").transaction() as tx:
        await enqueue(tx, [NewJob("billing.audit", f'"{EVIL}"'.encode())])
    async with connect_queue(settings) as queue:
        id = (await queue.driver.fetch("SELECT max(id) AS id FROM queue.pgqueuer"))[0]["id"]
        await queue.driver.execute("UPDATE queue.pgqueuer SET status = 'failed' WHERE id = $1", id)
        await queue.driver.execute(
            "INSERT INTO queue.pgqueuer_log (job_id, status, entrypoint, priority, traceback) "
            "VALUES ($1, 'exception', 'billing.audit', 0, "
            "jsonb_build_object('exception_type', 'ValueError', 'exception_message', $2::text))",
            id,
            error,
        )
    return int(str(id))


@pytest.mark.parametrize("page", PAGES)
async def test_each_page_teaches_what_to_do_while_nothing_has_happened(
    browser: AsyncClient, page: str
) -> None:
    shown = await browser.get(f"/_dev{page}")
    assert (shown.status_code, is_sound(shown)) == (200, True)
    if page in ("", "/requests"):
        assert "No requests yet" in shown.text
        assert "curl &#39;http://127.0.0.1:8000/billing/prices&#39;" in shown.text


@pytest.mark.parametrize("page", [*PAGES, f"/traces/{1:032x}"])
async def test_what_somebody_sent_is_text_and_never_markup(
    browser: AsyncClient, recorder: Recorder, settings: Settings, engine: AsyncEngine, page: str
) -> None:
    await hold(settings, engine, EVIL)
    recorder.on_end(request(1, route=f"/{EVIL}", status=500, error=EVIL, module=EVIL))
    recorder.on_end(span(EVIL, 2, 1, error=EVIL, x=EVIL))
    for number in range(3, 9):
        recorder.on_end(sql(number, 1, f"SELECT '{EVIL}'"))
    recorder.on_end(attempt(9, 1, 1, error=EVIL))
    shown = await browser.get(f"/_dev{page}", params={"module": ""})
    assert is_sound(shown)
    for field in ("module", "level", "failed", "retried"):
        assert is_sound(await browser.get(f"/_dev{page}", params={field: f'"{EVIL}'}))


async def test_a_trace_is_shown_down_to_its_statements_and_jobs(
    browser: AsyncClient, recorder: Recorder
) -> None:
    recorder.on_end(request(1, took=9))
    recorder.on_end(sql(2, 1, "SELECT owed FROM accounts"))
    recorder.on_end(attempt(3, 1, 1, at=20, error="ValueError: not yet"))
    recorder.on_end(attempt(4, 1, 2, at=2_000))
    listed = (await browser.get("/_dev/requests")).text
    assert f'href="/_dev/traces/{1:032x}"' in listed
    assert "1 of 2 failed" in listed
    shown = (await browser.get(f"/_dev/traces/{1:032x}")).text
    for told in ("SELECT owed FROM accounts", "ValueError: not yet", "attempt 2", "9.0 ms"):
        assert told in shown


async def test_requests_can_be_narrowed_to_a_module_and_to_what_failed(
    browser: AsyncClient, recorder: Recorder
) -> None:
    recorder.on_end(request(1, trace=1, route="/one", module="catalog"))
    recorder.on_end(request(2, trace=2, route="/two", module="ordering", status=500, error="no"))
    catalog = (await browser.get("/_dev/requests", params={"module": "catalog"})).text
    failed = (await browser.get("/_dev/requests", params={"failed": "1"})).text
    assert ("/one" in catalog, "/two" in catalog) == (True, False)
    assert ("/one" in failed, "/two" in failed) == (False, True)


async def test_a_trace_that_is_not_here_is_said_to_be_forgotten(browser: AsyncClient) -> None:
    shown = await browser.get("/_dev/traces/nothing")
    assert (shown.status_code, is_sound(shown)) == (404, True)


async def test_a_held_job_is_shown_with_its_error_and_retried(
    browser: AsyncClient, settings: Settings, engine: AsyncEngine
) -> None:
    id = await hold(settings, engine, "the ledger is wrong")
    shown = (await browser.get("/_dev/queue")).text
    assert "ValueError: the ledger is wrong" in shown
    assert f'action="/_dev/queue/{id}/retry"' in shown
    overview = (await browser.get("/_dev")).text
    assert "1 job is held" in overview
    answer = await browser.post(f"/_dev/queue/{id}/retry", headers=OWN)
    assert answer.status_code == 303
    shown = (await browser.get(answer.headers["location"])).text
    assert f"Job {id} is to run again." in shown
    assert f'action="/_dev/queue/{id}/retry"' not in shown
    again = await browser.post(f"/_dev/queue/{id}/retry", headers=OWN)
    assert again.status_code == 409
    assert f"Job {id} is waiting, not held" in again.text


async def test_another_site_can_give_no_orders(
    browser: AsyncClient, settings: Settings, engine: AsyncEngine
) -> None:
    id = await hold(settings, engine)
    for path in (f"/_dev/queue/{id}/retry", "/_dev/try"):
        headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        refused = await browser.post(path, headers=headers, content="path=/billing/prices")
        assert refused.status_code == 403
    assert f'action="/_dev/queue/{id}/retry"' in (await browser.get("/_dev/queue")).text
    assert (await browser.get(f"/_dev/queue/{id}/retry")).status_code == 405


async def test_other_machines_are_refused(console: Console) -> None:
    transport = ASGITransport(console, client=("10.0.0.5", 5))
    async with AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        assert (await client.get("/_dev")).status_code == 403


async def test_all_else_is_the_applications(browser: AsyncClient, recorder: Recorder) -> None:
    assert (await browser.get("/billing/prices")).json() == {"of": ""}
    assert (await browser.get("/_devx")).headers["content-type"] == "application/problem+json"
    assert (await browser.get("/_dev/nothing")).status_code == 404


async def test_a_database_that_does_not_answer_is_said_in_a_sentence(
    api: FastAPI, settings: Settings, folders: list[ModuleFolder], recorder: Recorder
) -> None:
    nowhere = settings.model_copy(update={"database_url": "postgresql://app@127.0.0.1:1/app"})
    console = Console(api, nowhere, folders, {}, FlagFiles(folders), recorder)
    async with open_browser(console) as browser:
        for page in ("", "/queue", "/sql"):
            shown = await browser.get(f"/_dev{page}")
            assert (shown.status_code, is_sound(shown)) == (200, True)
            assert "The database does not answer" in shown.text
