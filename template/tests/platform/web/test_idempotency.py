"""Requests that are sent again: done once, answered twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import date
from uuid import uuid4

import asyncpg
import pytest
from fastapi import APIRouter, BackgroundTasks, HTTPException
from fastapi.responses import JSONResponse, Response, StreamingResponse
from httpx import ASGITransport, AsyncClient
from httpx import Response as Answer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.main import create_app
from app.platform.auth.principal import PUBLIC
from app.platform.database.database import Database
from app.platform.database.engine import create_engine
from app.platform.errors import Conflict
from app.platform.jobs.retention import forget_keys
from app.platform.settings.settings import Settings
from app.platform.web.http import create_api
from app.platform.wiring.moved_toml import Move

URL = "/catalog/items"
Bearer = Callable[..., dict[str, str]]


def key() -> dict[str, str]:
    return {"Idempotency-Key": uuid4().hex}


async def names(client: AsyncClient) -> list[str]:
    return [item["name"] for item in (await client.get(URL)).json()["items"]]


async def test_the_second_gets_the_answer_to_the_first(client: AsyncClient) -> None:
    same = key()
    first = await client.post(URL, json={"name": "a"}, headers=same)
    second = await client.post(URL, json={"name": "a"}, headers=same)
    assert first.status_code == 201
    for what in ("status_code", "content"):
        assert getattr(second, what) == getattr(first, what)
    assert second.headers["Location"] == first.headers["Location"]
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    assert "Idempotent-Replayed" not in first.headers
    assert await names(client) == ["a"]


async def test_without_a_key_it_is_done_again(client: AsyncClient) -> None:
    await client.post(URL, json={"name": "a"})
    assert (await client.post(URL, json={"name": "a"})).status_code == 409


async def test_a_key_belongs_to_one_request(client: AsyncClient) -> None:
    same = key()
    await client.post(URL, json={"name": "a"}, headers=same)
    refused = await client.post(URL, json={"name": "b"}, headers=same)
    assert refused.status_code == 422
    assert await names(client) == ["a"]


async def test_a_key_belongs_to_one_principal(client: AsyncClient, bearer: Bearer) -> None:
    same = key()
    first = await client.post(URL, json={"name": "a"}, headers=same)
    other = await client.post(URL, json={"name": "a"}, headers={**same, **bearer("another")})
    assert other.status_code == 201  # Their own: a name is taken for its owner alone.
    assert other.json()["id"] != first.json()["id"]


async def test_of_many_at_once_one_is_done(client: AsyncClient) -> None:
    same = key()
    sent = (client.post(URL, json={"name": "a"}, headers=same) for _ in range(20))
    answers = await asyncio.gather(*sent)
    done = [each for each in answers if each.status_code == 201]
    assert sum("Idempotent-Replayed" not in each.headers for each in done) == 1
    waiting = [each for each in answers if each.status_code != 201]
    assert {each.headers["Retry-After"] for each in waiting} <= {"1"}
    assert Counter(await names(client)) == {"a": 1}


async def test_what_was_refused_may_be_tried_again_with_the_same_key(client: AsyncClient) -> None:
    await client.post(URL, json={"name": "a"})
    same = key()
    assert (await client.post(URL, json={"name": "a"}, headers=same)).status_code == 409
    assert (await client.post(URL, json={"name": "a"}, headers=same)).status_code == 409
    assert (await client.post(URL, json={"name": "b"}, headers=same)).status_code == 201


@pytest.mark.parametrize("bad", ["", "two words", "é", "x" * 256])
async def test_a_key_that_is_none_is_refused(client: AsyncClient, bad: str) -> None:
    headers = {b"Idempotency-Key": bad.encode("latin-1")}
    refused = await client.post(URL, json={"name": "a"}, headers=headers)
    assert refused.status_code == 400
    assert await names(client) == []


async def test_a_key_does_not_open_the_limit_on_bodies(settings: Settings, bearer: Bearer) -> None:
    api = create_app(settings.model_copy(update={"request_body_limit": 100}))
    async with AsyncClient(transport=ASGITransport(api), base_url="http://app") as client:

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b"0123456789"

        refused = await client.post(URL, content=chunks(), headers={**key(), **bearer("ada")})
    assert refused.status_code == 413


async def test_a_request_that_is_given_up_leaves_its_key_free(
    settings: Settings, bearer: Bearer
) -> None:
    api = create_app(settings.model_copy(update={"request_timeout": 1.0}))
    other = await asyncpg.connect(settings.database_url)
    headers = {**key(), **bearer("me")}
    patient = create_app(settings)
    async with (
        AsyncClient(transport=ASGITransport(api), base_url="http://app") as client,
        AsyncClient(transport=ASGITransport(patient), base_url="http://app") as later,
        api.router.lifespan_context(api),
        patient.router.lifespan_context(patient),
    ):
        async with other.transaction():
            await other.execute("SET LOCAL ROLE app_test__catalog")
            await other.execute(
                "INSERT INTO catalog.items (owner, id, name) VALUES ('me', $1, 'a')", uuid4()
            )
            # Waits for the one above, in a transaction that holds the key already.
            waiting = await client.post(URL, json={"name": "a"}, headers=headers)
            assert waiting.status_code == 503
            await other.execute("DELETE FROM catalog.items")
        done = await later.post(URL, json={"name": "a"}, headers=headers)
        assert done.status_code == 201
    await other.close()


_INSERT = text(
    "INSERT INTO catalog.items (owner, id, name) VALUES ('me', gen_random_uuid(), :name)"
)

_DIED = text("UPDATE requests.idempotency_keys SET status = NULL")
"""As a process leaves it that dies before it answers."""
_LATER = text("UPDATE requests.idempotency_keys SET created_at = now() - interval '1 hour'")
_AGE = text("UPDATE requests.idempotency_keys SET created_at = now() - interval '2 days'")


async def test_half_a_request_is_not_done(settings: Settings, bearer: Bearer) -> None:
    api = create_app(settings)
    given = {**key(), **bearer("ada"), "Content-Type": "application/json", "Content-Length": "99"}
    headers = [(name.lower().encode(), value.encode()) for name, value in given.items()]
    scope = {
        "type": "http",
        "method": "POST",
        "path": URL,
        "raw_path": URL.encode(),
        "query_string": b"",
        "headers": headers,
    }
    arriving: list[dict[str, object]] = [
        {"type": "http.request", "body": b'{"name": "a"}', "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, object]:
        return arriving.pop(0)

    sent: list[object] = []

    async def send(message: object) -> None:
        sent.append(message)

    async with api.router.lifespan_context(api):
        await api(scope, receive, send)
        async with AsyncClient(transport=ASGITransport(api), base_url="http://app") as client:
            client.headers.update(bearer("ada"))
            assert await names(client) == []
    assert sent == []


async def test_a_key_needs_somebody_whose_it_is(odd: "Odd", settings: Settings) -> None:
    refused = await post(odd, settings, "open", key())
    assert refused.status_code == 400
    assert odd.ran == 0


async def test_a_database_that_is_away_is_no_mystery(settings: Settings, bearer: Bearer) -> None:
    away = settings.model_copy(update={"database_url": "postgresql://app@127.0.0.1:1/app"})
    api = create_app(away)
    async with AsyncClient(transport=ASGITransport(api), base_url="http://app") as client:
        refused = await client.post(URL, json={"name": "a"}, headers={**key(), **bearer("ada")})
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")


async def test_what_is_done_is_said_although_its_answer_cannot_be_kept(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.platform.web.idempotency._KEEP", text("SELECT 1 / 0"))
    done = await client.post(URL, json={"name": "a"}, headers=key())
    assert done.status_code == 201


async def test_of_many_in_task_groups_one_is_done(
    odd: "Odd", settings: Settings, bearer: Bearer
) -> None:
    headers = {**key(), **bearer("ada")}
    answers = await asyncio.gather(*(post(odd, settings, "grouped", headers) for _ in range(5)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert sum(answer.status_code == 200 for answer in answers) >= 1


class NameTaken(Conflict): ...


class Odd:
    """Routes that do what requests seldom do."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.ran = 0
        self.may_go_on = asyncio.Event()
        self.spawned: set[asyncio.Task[None]] = set()
        self.db = Database(engine, "catalog")

    async def insert(self, name: str) -> None:
        async with self.db.transaction() as tx:
            await tx.execute(_INSERT, {"name": name})

    async def fail(self, name: str) -> None:
        async with self.db.transaction() as tx:
            await tx.execute(_INSERT, {"name": name})
            await asyncio.sleep(0.2)
            raise NameTaken(name)

    async def late(self, name: str) -> None:
        await self.may_go_on.wait()
        await self.insert(name)

    def routes(self) -> APIRouter:
        router = APIRouter()
        spawned = self.spawned

        @router.post("/twice")
        async def twice() -> int:
            self.ran += 1
            await self.insert("first")
            await self.insert("second")
            return self.ran

        @router.post("/nothing")
        async def nothing() -> int:
            self.ran += 1
            return self.ran

        @router.post("/forgetful")
        async def forgetful() -> None:
            self.ran += 1
            await self.insert("done")
            raise HTTPException(500, "forgot")

        @router.post("/broken")
        async def broken() -> None:
            self.ran += 1
            await self.insert("done")
            raise ZeroDivisionError

        @router.post("/open", openapi_extra=PUBLIC)
        async def open_to_all() -> None:
            self.ran += 1

        @router.post("/grouped")
        async def grouped() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.insert("grouped"))

        @router.post("/afterwards")
        async def afterwards(background: BackgroundTasks) -> int:
            self.ran += 1
            background.add_task(self.insert, "in the background")
            spawned.add(asyncio.create_task(self.late("beside")))
            async with self.db.transaction() as tx:
                tx.after_commit(lambda: self.insert("after the commit"))
                await tx.execute(_INSERT, {"name": "done"})
            return self.ran

        @router.post("/background")
        async def only_in_the_background(background: BackgroundTasks) -> int:
            self.ran += 1
            background.add_task(self.insert, f"background {self.ran}")
            return self.ran

        @router.post("/beside")
        async def beside() -> int:
            self.ran += 1
            await asyncio.gather(*(self.insert(f"beside {number}") for number in range(3)))
            return self.ran

        @router.post("/half")
        async def half() -> int:
            self.ran += 1
            await asyncio.gather(self.fail("undone"), self.insert("done"), return_exceptions=True)
            return self.ran

        @router.post("/half-failed")
        async def half_failed() -> None:
            self.ran += 1
            await asyncio.gather(self.fail("undone"), self.insert("done"), return_exceptions=True)
            raise HTTPException(500, "forgot")

        @router.post("/second")
        async def second() -> int:
            self.ran += 1
            with suppress(NameTaken):
                await self.fail("undone")
            await self.insert("done")
            return self.ran

        @router.post("/savepoint")
        async def savepoint() -> int:
            self.ran += 1
            async with self.db.transaction() as tx:
                with suppress(NameTaken):
                    async with tx.savepoint():
                        await tx.execute(_INSERT, {"name": "undone"})
                        raise NameTaken
                await tx.execute(_INSERT, {"name": "done"})
            return self.ran

        @router.post("/stream")
        async def stream() -> StreamingResponse:
            async def lines() -> AsyncIterator[bytes]:
                yield b"first "
                await self.insert("streamed")
                yield b"second"

            self.ran += 1
            return StreamingResponse(lines(), 201, {"X-Kept": "yes"})

        @router.post("/caught/{how}")
        async def caught(how: str) -> Response:
            try:
                if how == "group":
                    async with asyncio.TaskGroup() as group:
                        group.create_task(self.insert("caught"))
                else:
                    await self.insert("caught")
            except Exception:
                return JSONResponse("caught", 200)
            except BaseException:
                if how == "exception":
                    raise
                return JSONResponse("caught", 200)
            finally:
                if how == "finally":
                    return JSONResponse("finally", 200)  # noqa: B012
            self.ran += 1
            return JSONResponse("done", 201)

        @router.post("/large")
        async def large() -> str:
            await self.insert("large")
            return "x" * 1_000_001

        return router


@pytest.fixture
def odd(engine: AsyncEngine) -> Odd:
    return Odd(engine)


async def post(
    odd: Odd, settings: Settings, path: str, headers: dict[str, str], renamed: Move | None = None
) -> Answer:
    """Ask a release in which the module is called odd, or was until it was renamed."""
    engine, name = create_engine(settings), renamed.to if renamed else "odd"
    renames = [renamed] if renamed else []
    api = create_api({name: odd.routes()}, None, settings, engine, renames=renames)  # type: ignore[arg-type]
    transport = ASGITransport(api, raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://app") as client:
        answer = await client.post(f"/odd/{path}", headers=headers)
    await engine.dispose()
    return answer


async def test_a_request_may_open_several_transactions(
    odd: Odd, settings: Settings, bearer: Bearer
) -> None:
    headers = {**key(), **bearer("ada")}
    answers = [await post(odd, settings, "twice", headers) for _ in range(2)]
    assert [answer.json() for answer in answers] == [1, 1]


async def test_what_the_release_before_a_rename_did_is_not_done_again(
    odd: Odd, settings: Settings, bearer: Bearer
) -> None:
    headers = {**key(), **bearer("ada")}
    renamed = Move("rename", "odd", date(2026, 11, 30), "even")
    answers = [await post(odd, settings, "twice", headers, each) for each in (None, renamed, None)]
    assert [answer.json() for answer in answers] == [1, 1, 1]
    assert [answer.headers.get("Deprecation") for answer in answers] == [None, None, None]
    assert (await post(odd, settings, "nothing", headers, renamed)).status_code == 422


async def test_what_commits_nothing_may_be_done_again(
    odd: Odd, settings: Settings, bearer: Bearer
) -> None:
    headers = {**key(), **bearer("ada")}
    answers = [await post(odd, settings, "nothing", headers) for _ in range(2)]
    assert [answer.json() for answer in answers] == [1, 2]


@pytest.mark.parametrize(
    ("path", "status"), [("forgetful", 500), ("half-failed", 500), ("broken", 500), ("large", 200)]
)
async def test_what_was_done_is_not_done_again_although_its_answer_is_lost(
    engine: AsyncEngine,
    odd: Odd,
    settings: Settings,
    bearer: Bearer,
    path: str,
    status: int,
) -> None:
    headers = {**key(), **bearer("ada")}
    assert (await post(odd, settings, path, headers)).status_code == status
    ran = odd.ran
    again = await post(odd, settings, path, headers)
    assert (again.status_code, again.headers.get("Retry-After")) == (409, None)
    assert again.json()["type"] == "urn:problem-type:answer-lost"
    async with Database(engine, "requests").transaction() as tx:
        await tx.execute(_DIED)
    soon = await post(odd, settings, path, headers)
    assert (soon.status_code, soon.headers["Retry-After"]) == (409, "1")
    async with Database(engine, "requests").transaction() as tx:
        await tx.execute(_LATER)
    later = await post(odd, settings, path, headers)
    assert later.json()["type"] == "urn:problem-type:answer-lost"
    assert odd.ran == ran


async def test_a_kept_answer_is_for_those_who_might_have_asked_for_it(
    odd: Odd, settings: Settings, bearer: Bearer
) -> None:
    given = key()
    await post(odd, settings, "twice", {**given, **bearer("ada", "all:read")})
    other = await post(odd, settings, "twice", {**given, **bearer("ada")})
    assert other.status_code == 422


@pytest.mark.parametrize("path", ["afterwards", "beside", "half", "second", "savepoint"])
async def test_however_many_transactions_there_are_the_answer_is_kept(
    odd: Odd, settings: Settings, bearer: Bearer, path: str
) -> None:
    headers = {**key(), **bearer("ada")}
    first = await post(odd, settings, path, headers)
    odd.may_go_on.set()
    await asyncio.gather(*odd.spawned)
    second = await post(odd, settings, path, headers)
    assert (first.status_code, first.json()) == (200, 1)
    assert (second.status_code, second.json()) == (200, 1)
    assert second.headers["Idempotent-Replayed"] == "true"


async def test_what_happens_in_the_background_alone_has_nothing_to_do_with_the_key(
    odd: Odd, settings: Settings, bearer: Bearer, engine: AsyncEngine
) -> None:
    headers = {**key(), **bearer("ada")}
    assert [(await post(odd, settings, "background", headers)).json() for _ in range(2)] == [1, 2]
    async with Database(engine, "requests").transaction() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM requests.idempotency_keys")) == 0


async def test_an_answer_in_parts_is_kept_as_a_whole(
    odd: Odd, settings: Settings, bearer: Bearer
) -> None:
    headers = {**key(), **bearer("ada")}
    answers = [await post(odd, settings, "stream", headers) for _ in range(2)]
    assert [(each.status_code, each.text) for each in answers] == [(201, "first second")] * 2
    assert [each.headers["X-Kept"] for each in answers] == ["yes"] * 2
    assert odd.ran == 1


@pytest.mark.parametrize("how", ["exception", "base", "finally", "group"])
async def test_a_handler_that_catches_everything_does_not_answer_for_another_request(
    odd: Odd, settings: Settings, bearer: Bearer, how: str
) -> None:
    headers = {**key(), **bearer("ada")}
    other = await asyncpg.connect(settings.database_url)
    async with other.transaction():
        # As the request that is about to write the key.
        await other.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('ada ' || $1, 0))",
            headers["Idempotency-Key"],
        )
        refused = await post(odd, settings, f"caught/{how}", headers)
    await other.close()
    assert (refused.status_code, refused.headers["Retry-After"]) == (409, "1")
    assert refused.json()["detail"] == "A request with this Idempotency-Key is being worked on."
    assert odd.ran == 0
    done = await post(odd, settings, f"caught/{how}", headers)
    assert done.status_code == (200 if how == "finally" else 201)


async def test_after_a_day_a_key_is_free_again(client: AsyncClient, engine: AsyncEngine) -> None:
    old = key()
    await client.post(URL, json={"name": "a"}, headers=old)
    async with Database(engine, "requests").transaction() as tx:
        await tx.execute(_AGE)
    again = await client.post(URL, json={"name": "b"}, headers=old)
    assert again.status_code == 201
    assert "Idempotent-Replayed" not in again.headers


async def test_yesterdays_keys_are_forgotten(client: AsyncClient, engine: AsyncEngine) -> None:
    old, new = key(), key()
    await client.post(URL, json={"name": "a"}, headers=old)
    keys = Database(engine, "requests")
    async with keys.transaction() as tx:
        await tx.execute(_AGE)
    await client.post(URL, json={"name": "b"}, headers=new)
    await forget_keys(engine)
    async with keys.transaction() as tx:
        left = list(await tx.scalars(text("SELECT key FROM requests.idempotency_keys")))
    assert left == [new["Idempotency-Key"]]
