"""The door: what is asked without a token, with a bad one, or too often, is not even read."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from httpx import ASGITransport, AsyncClient, Response

from app.platform.auth.principal import Caller, needs, PUBLIC
from app.platform.database.engine import create_engine
from app.platform.settings.settings import Settings, SettingsError
from app.platform.web.http import create_api

from ..clock import Clock
from ..issuing import Issuing

Bearer = Callable[..., dict[str, str]]
URL = "postgresql://app:long-enough-secret@127.0.0.1:1/app"
DEVELOPMENT = {"environment": "development", "database_url": URL}


may_end: list[asyncio.Event] = []
"""That what is slow may end: of each test's own loop."""


def api(**given: object) -> FastAPI:
    router = APIRouter()

    @router.get("/mine")
    async def mine(caller: Caller) -> str:
        return caller.id

    @router.post("/products", dependencies=[needs("catalog:write")])
    async def create(body: list[int]) -> int:
        return len(body)

    @router.get("/prices", openapi_extra=PUBLIC)
    async def prices() -> int:
        return 7

    @router.get("/prices/{name}", openapi_extra=PUBLIC)
    async def price(name: str) -> str:
        return name

    @router.post("/prices")
    async def set_price() -> None: ...

    @router.get("/hidden", include_in_schema=False)
    async def hidden() -> None: ...

    @router.get("/articles/drafts")
    async def drafts() -> None: ...

    @router.get("/articles/export", include_in_schema=False)
    async def export() -> None: ...

    @router.get("/articles/{slug}", openapi_extra=PUBLIC)
    async def article(slug: str) -> str:
        return slug

    @router.get("/numbers/{number:int}", openapi_extra=PUBLIC)
    async def number(number: int) -> int:
        return number

    @router.get("/numbers/{name}")
    async def named(name: str) -> None: ...

    @router.get("/files/{path:path}", openapi_extra=PUBLIC)
    async def file(path: str) -> str:
        return path

    @router.get("/slow")
    async def slow() -> None:
        await may_end[-1].wait()

    @router.websocket("/talk")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()

    settings = Settings(**{**DEVELOPMENT, **given})  # type: ignore[arg-type]
    return create_api({"shop": router}, None, settings, create_engine(settings))  # type: ignore[arg-type]


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    async with AsyncClient(transport=ASGITransport(api()), base_url="http://app/shop") as client:
        yield client


async def ask(application: FastAPI, path: str, **headers: str) -> Response:
    async with AsyncClient(transport=ASGITransport(application), base_url="http://app") as client:
        return await client.get(path, headers=headers)


async def test_a_token_opens_the_door(client: AsyncClient, bearer: Bearer) -> None:
    response = await client.get("/mine", headers=bearer("ada"))
    assert (response.status_code, response.json()) == (200, "ada")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/mine"),
        ("POST", "/products"),
        ("POST", "/prices"),
        ("GET", "/prices/a/b"),
        ("GET", "/articles/drafts"),
        ("GET", "/articles/export"),
        ("GET", "/numbers/seven"),
        ("GET", "/hidden"),
        ("GET", "/nowhere"),
        ("DELETE", "/prices"),
        ("OPTIONS", "/mine"),
    ],
)
async def test_without_one_it_is_closed(client: AsyncClient, method: str, path: str) -> None:
    refused = await client.request(method, path, content=b"{not even json")
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert refused.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("given", ["Bearer ", "Bearer x", "bearer a.b.c", "Bearer \xff\xfe"])
async def test_a_bad_token_is_refused_even_where_none_is_needed(
    client: AsyncClient, given: str
) -> None:
    for path in ("/mine", "/prices"):
        refused = await client.get(path, headers={b"Authorization": given.encode("latin-1")})
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


async def test_another_scheme_is_no_token(client: AsyncClient) -> None:
    assert (await client.get("/mine", auth=("ada", "secret"))).status_code == 401


async def test_what_is_public_needs_none(client: AsyncClient) -> None:
    assert (await client.get("/prices")).json() == 7
    assert (await client.get("/prices/tea")).json() == "tea"
    assert (await client.get("/articles/tea")).json() == "tea"
    assert (await client.get("/numbers/7")).json() == 7
    assert (await client.get("/files/a/b")).json() == "a/b"


async def test_a_scope_that_is_missing_is_named(client: AsyncClient, bearer: Bearer) -> None:
    refused = await client.post("/products", json=[1], headers=bearer("ada", "catalog:read"))
    assert refused.status_code == 403
    assert 'scope="catalog:write"' in refused.headers["WWW-Authenticate"]
    passed = await client.post("/products", json=[1], headers=bearer("ada", "catalog:write"))
    assert passed.json() == 1


async def test_a_web_socket_is_closed_as_well() -> None:
    sent = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/shop/talk", "headers": [], "subprotocols": []}
    await api()(scope, None, send)  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_who_asks_too_often_is_told_when_to_come_again(
    bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.platform.web.rate_limit.time", Clock())
    application = api(rate_limit=0.2)
    for _ in range(2):
        assert (await ask(application, "/shop/mine", **bearer("ada"))).status_code == 200
    refused = await ask(application, "/shop/mine", **bearer("ada"))
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
    assert (await ask(application, "/shop/mine", **bearer("bob"))).status_code == 200
    assert [(await ask(application, "/shop/mine")).status_code for _ in range(3)] == [401, 401, 429]
    assert (await ask(application, "/healthz")).status_code == 404  # Never refused: not mounted.


async def test_one_caller_cannot_keep_everybody_else_out(bearer: Bearer) -> None:
    may_end[:] = [asyncio.Event()]
    application = api(request_concurrency_per_caller=2)
    slow = [ask(application, "/shop/slow", **bearer(name)) for name in ("ada",) * 4 + ("bob",)]
    asked = [asyncio.ensure_future(each) for each in slow]
    async with asyncio.timeout(30):
        while sum(each.done() for each in asked) < 2:
            await asyncio.sleep(0.005)
    may_end[0].set()
    *answers, other = await asyncio.gather(*asked)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429]
    assert other.status_code == 200
    assert (await ask(application, "/shop/slow", **bearer("ada"))).status_code == 200


@pytest.fixture
def issuing() -> Iterator[Issuing]:
    issuing = Issuing()
    yield issuing
    issuing.stop()


async def test_an_issuer_of_ones_own_takes_the_place_of_the_built_in_one(
    issuing: Issuing, bearer: Bearer
) -> None:
    application = api(oidc_issuer=issuing.url, oidc_audience="shop")
    refused, passed = await asyncio.gather(
        ask(application, "/shop/mine", **bearer("ada")),
        ask(application, "/shop/mine", Authorization=f"Bearer {issuing.token()}"),
    )
    assert (refused.status_code, passed.status_code) == (401, 200)


async def test_where_clients_are_named_others_are_refused(issuing: Issuing) -> None:
    named = {"oidc_audience": "shop", "oidc_clients": "web-shop back-office"}
    application = api(oidc_issuer=issuing.url, app_version="1.4.2", **named)
    for client, status in (("back-office", 200), ("others", 401)):
        token = {"Authorization": f"Bearer {issuing.token(azp=client)}"}
        assert (await ask(application, "/shop/mine", **token)).status_code == status
    assert {str(agent).rpartition("/")[2] for agent in issuing.agents} == {"1.4.2"}


async def test_a_clock_that_is_wrong_is_named_to_the_caller_and_in_the_log(
    issuing: Issuing, caplog: pytest.LogCaptureFixture
) -> None:
    application = api(oidc_issuer=issuing.url, oidc_audience="shop")
    token = issuing.token(iat=2**40)
    with caplog.at_level(logging.INFO, "app.access"):
        refused = await ask(application, "/shop/mine", Authorization=f"Bearer {token}")
    assert refused.status_code == 401
    for told in (refused.json()["detail"], caplog.text):
        assert "ahead of the clock of this server" in told


async def test_nobody_is_let_in_while_the_issuer_has_never_answered(issuing: Issuing) -> None:
    token = issuing.token()
    application = api(oidc_issuer="http://127.0.0.1:1", oidc_audience="shop")
    refused = await ask(application, "/shop/mine", Authorization=f"Bearer {token}")
    wait = int(refused.headers["Retry-After"])  # Until it is asked again.
    assert (refused.status_code, wait > 1, wait <= 10) == (503, True, True)
    assert f"{wait} s" in refused.json()["detail"]
    anyone = await ask(application, "/shop/prices", Authorization=f"Bearer {token}")
    assert anyone.status_code == 200


def test_in_production_there_must_be_an_issuer() -> None:
    with pytest.raises(SettingsError, match="OIDC_ISSUER: is not set"):
        api(environment="production")


async def test_in_production_the_built_in_issuer_counts_nothing_and_pages_are_closed(
    bearer: Bearer,
) -> None:
    issuer = {"oidc_issuer": "https://127.0.0.1:1", "oidc_audience": "shop"}
    application = api(environment="production", **issuer)
    assert (await ask(application, "/shop/mine", **bearer("ada"))).status_code == 503
    for page in ("/docs", "/redoc", "/openapi.json"):
        assert (await ask(application, page)).status_code == 401


async def test_in_development_the_description_is_open() -> None:
    described = (await ask(api(), "/openapi.json")).json()
    assert described["security"] == [{"bearer": []}]
    assert described["paths"]["/shop/prices"]["get"]["security"] == []


async def test_scripts_of_other_sites_may_call_only_where_they_are_named(bearer: Bearer) -> None:
    origin = {"Origin": "https://shop.example.com"}
    allowed = "Access-Control-Allow-Origin"
    assert allowed not in (await ask(api(), "/shop/prices", **origin)).headers
    application = api(cors_origins="https://shop.example.com")
    passed = await ask(application, "/shop/mine", **origin, **bearer("ada"))
    assert passed.headers[allowed] == "https://shop.example.com"
    assert (
        allowed
        not in (await ask(application, "/shop/prices", Origin="https://evil.example.com")).headers
    )
    async with AsyncClient(transport=ASGITransport(application), base_url="http://app") as client:
        asked = {**origin, "Access-Control-Request-Method": "POST"}
        asked["Access-Control-Request-Headers"] = "authorization,idempotency-key"
        assert (await client.options("/shop/products", headers=asked)).status_code == 200


async def test_why_a_token_was_refused_is_logged_but_not_the_token(
    client: AsyncClient, bearer: Bearer, caplog: pytest.LogCaptureFixture
) -> None:
    token = bearer("ada")["Authorization"] + "x"
    with caplog.at_level(logging.INFO, "app.access"):
        headers = {"Authorization": token, "X-Request-ID": "abc"}
        assert (await client.get("/mine", headers=headers)).status_code == 401
    (said,) = (each.getMessage() for each in caplog.records if each.name == "app.access")
    assert said.startswith("The token was refused: The token is not one of")
    assert token.split(".")[1] not in caplog.text
