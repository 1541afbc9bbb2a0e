"""Which version a change was made from, and how errors are described."""

from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from app.platform.errors import Conflict, DomainError, NotFound, problem_type, Stale, status_of
from app.platform.rest.descriptions import problems
from app.platform.rest.versions import IfMatch

api = FastAPI()


@api.patch("/")
async def change(version: IfMatch) -> int:
    return version


async def asked(*given: str) -> tuple[int, object]:
    async with AsyncClient(transport=ASGITransport(api), base_url="http://app") as client:
        answer = await client.patch("/", headers=[("If-Match", each) for each in given])
    return answer.status_code, answer.json() if answer.is_success else None


async def test_a_version_is_an_etag_in_quotes() -> None:
    assert await asked('"7"') == (200, 7)
    assert await asked('  "7" ') == (200, 7)
    assert await asked() == (428, None)
    for wrong in ("7", "*", 'W/"7"', '"7", "8"', '""', '"-1"', '"9999999999"'):
        assert await asked(wrong) == (412, None), wrong


class OrderNotFound(NotFound):
    """There is no such order."""


class OrderNotOpen(Conflict):
    """It was shipped."""


class OrderPaid(Conflict):
    """It was paid."""


class OrderOutdated(Stale):
    """It has changed."""


def test_errors_are_described_as_they_are_answered() -> None:
    found = problems(OrderNotFound, OrderNotOpen, OrderPaid, OrderOutdated)
    assert list(found) == [404, 409, 412, 428]
    assert found[409]["description"] == "It was shipped. It was paid."
    content = found[409]["content"]["application/problem+json"]
    assert content["schema"] == {"$ref": "#/components/schemas/ProblemDetails"}
    told = [each["value"] for each in content["examples"].values()]
    assert [(each["type"], each["status"], each["detail"]) for each in told] == [
        ("urn:problem-type:order-not-open", 409, "It was shipped."),
        ("urn:problem-type:order-paid", 409, "It was paid."),
    ]
    assert problems() == {}


def test_an_error_has_the_status_of_its_kind() -> None:
    assert [status_of(kind) for kind in (OrderOutdated, DomainError)] == [412, 422]
    assert problem_type(OrderNotFound) == "urn:problem-type:order-not-found"
