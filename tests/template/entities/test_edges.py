"""What is odd is stored, or refused by a 422, and never breaks anything. Runs in a generated shop."""

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from httpx import AsyncClient

URL = "/things"
THING = {
    "words": "",
    "small": 0,
    "large": 0,
    "fits": False,
    "other": "00000000-0000-0000-0000-000000000002",
    "day": "2000-01-01",
    "moment": "2000-01-01T00:00:00Z",
    "fee": "0",
    "ratio": "0",
    "state": "open",
}
ID = "00000000-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ("moment", "0001-01-01T00:00:00+14:00", 422),
        ("moment", "9999-12-31T23:59:59-14:00", 422),
        ("moment", "2000-01-01T00:00:00", 422),
        ("moment", 1e30, 422),
        ("words", "\0", 422),
        ("words", "\ud800", 422),
        ("words", "x" * 1001, 422),
        ("fee", "1e5", 201),
        ("fee", "-0", 201),
        ("fee", "NaN", 422),
        ("fee", "Infinity", 422),
        ("fee", "0e999999", 422),
        ("fee", "0.001", 422),
        ("ratio", 1e400, 422),
        ("day", "0001-01-01", 201),
        ("day", "0000-01-01", 422),
        ("small", 2**31, 422),
        ("large", 2**63, 422),
        ("state", "OPEN", 422),
        ("state", None, 422),
    ],
)
async def test_a_value_is_stored_or_refused(
    client: AsyncClient, field: str, value: object, status: int
) -> None:
    body = json.dumps(THING | {field: value})
    headers = {"Content-Type": "application/json"}
    made = await client.post(URL, content=body, headers=headers)
    assert made.status_code == status, made.text
    listed = await client.get(URL, params={"sort": "fee"})
    assert len(listed.json()["items"]) == (status == 201)


@pytest.mark.parametrize(
    "written",
    [
        [],
        {"a": 1},
        5,
        ["", 5],
        ["", "\0"],
        ["fee", "1", ID, ID],
        ["fee", "NaN", ID],
        ["fee", "1e99999", ID],
        ["small", 2**31, ID],
        ["large", 10**40, ID],
        ["words", "\0", ID],
        ["moment", "2000-01-01T00:00:00", ID],
        ["moment", "0001-01-01T00:00:00+14:00", ID],
    ],
)
async def test_a_cursor_that_nobody_gave_out_is_refused(client: AsyncClient, written: Any) -> None:
    after = urlsafe_b64encode(json.dumps(written).encode()).decode()
    sort = {"sort": written[0]} if isinstance(written, list) and written and written[0] else {}
    refused = await client.get(URL, params={"after": after, **sort})
    assert refused.status_code == 422, refused.text


async def test_the_cursor_of_another_order_is_refused(client: AsyncClient) -> None:
    for _ in "ab":
        await client.post(URL, json=THING)
    page = (await client.get(URL, params={"limit": 1, "sort": "fee"})).json()
    asked = {"after": page["next"], "limit": 1}
    refused = await client.get(URL, params={**asked, "sort": "-fee"})
    assert refused.json()["type"] == "urn:problem-type:unknown-cursor"
    assert len((await client.get(URL, params={**asked, "sort": "fee"})).json()["items"]) == 1


@pytest.mark.parametrize("wrong", ["limit=0", "limit=101", "after=%00", "sort=id", "stat=open"])
async def test_a_list_is_asked_for_what_it_knows(client: AsyncClient, wrong: str) -> None:
    refused = await client.get(f"{URL}?{wrong}")
    assert refused.status_code == 422


@pytest.mark.parametrize("given", ["1", "*", 'W/"1"', '"2"', '"1", "2"', '""', '"9999999999"'])
async def test_a_version_that_is_not_this_one_changes_nothing(
    client: AsyncClient, given: str
) -> None:
    made = await client.post(URL, json=THING)
    location = made.headers["Location"]
    refused = await client.patch(location, json={"small": 1}, headers={"If-Match": given})
    assert refused.status_code == 412
    assert (await client.get(location)).json() == made.json()


async def test_what_routes_refuse_is_described(client: AsyncClient) -> None:
    described = (await client.get("/openapi.json")).json()
    one = described["paths"]["/things/{id}"]
    assert one["patch"]["operationId"] == "update_thing"
    assert {"404", "412", "428", "4XX"} <= one["patch"]["responses"].keys()
    missing = one["get"]["responses"]["404"]["content"]["application/problem+json"]
    assert list(missing["examples"]) == ["urn:problem-type:thing-not-found"]
