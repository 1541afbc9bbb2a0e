"""Each type of field, there and back again, with whatever values there are. Runs in a generated shop."""

import operator
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import uuid4

from httpx import AsyncClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Bearer = Callable[..., dict[str, str]]

URL = "/things"
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = datetime(1, 1, 2), datetime(9999, 12, 30)
"""A day less than there are: that day is another one in UTC."""
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "words": st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=1000),
    "small": st.integers(-(2**31), 2**31 - 1),
    "large": st.integers(-(2**63), 2**63 - 1),
    "fits": st.booleans(),
    "other": st.uuids().map(str),
    "day": st.dates().map(str),
    "moment": st.datetimes(*MOMENTS, timezones=ZONES).map(lambda each: each.isoformat()),
    "fee": st.decimals(-9_999_999_999, 9_999_999_999, places=2).map(str),
    "ratio": st.decimals(-99_999, 99_999, places=3).map(str),
    "state": st.sampled_from(["open", "half_done", "done"]),
}
READ: dict[str, Callable[[str], Any]] = {
    "day": date.fromisoformat,
    "moment": lambda each: datetime.fromisoformat(each).astimezone(UTC),
    "fee": Decimal,
    "ratio": Decimal,
}
OPTIONAL = {f"{name}_too": kind for name, kind in KINDS.items()}
THINGS = st.fixed_dictionaries(KINDS, optional={k: st.none() | v for k, v in OPTIONAL.items()})
CHANGES = st.fixed_dictionaries(
    {}, optional=KINDS | {name: st.none() | kind for name, kind in OPTIONAL.items()}
)
RANGES = {
    "_from": operator.ge,
    "_before": operator.lt,
    "_min": operator.ge,
    "_max": operator.le,
}
ENDS = dict.fromkeys(("day", "moment"), ("", "_from", "_before")) | dict.fromkeys(
    ("small", "large", "fee", "ratio"), ("", "_min", "_max")
)
ASKED = [name + end for name in (*KINDS, *OPTIONAL) for end in ENDS.get(name.split("_")[0], ("",))]
SORTED = ("words", "small", "large", "day", "moment", "fee", "ratio")

often = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def meant(values: dict[str, Any]) -> dict[str, Any]:
    """What JSON means."""
    return {
        name: each if each is None else READ.get(name.removesuffix("_too"), lambda x: x)(each)
        for name, each in values.items()
    }


@often
@given(THINGS, CHANGES)
async def test_what_is_written_and_changed_is_read(
    client: AsyncClient, bearer: Bearer, thing: dict[str, Any], changes: dict[str, Any]
) -> None:
    client.headers.update(bearer(str(uuid4())))
    created = await client.post(URL, json=thing)
    assert created.status_code == 201, created.text
    location = created.headers["Location"]
    assert meant(created.json()).items() >= meant(thing).items()
    assert (await client.get(location)).json() == created.json()
    changed = await client.patch(
        location, json=changes, headers={"If-Match": created.headers["ETag"]}
    )
    assert changed.status_code == 200, changed.text
    expected = meant(created.json()) | meant(changes) | {"version": 2}
    assert meant(changed.json()) == expected
    assert (await client.get(location)).json() == changed.json()
    stale = await client.patch(location, json=thing, headers={"If-Match": created.headers["ETag"]})
    assert stale.status_code == 412
    assert (await client.get(location)).json() == changed.json()


@often
@given(
    st.lists(THINGS, min_size=1, max_size=4),
    st.lists(st.tuples(st.sampled_from(ASKED), st.integers(0, 3)), min_size=3, max_size=6),
)
async def test_a_list_holds_exactly_what_it_is_asked_for(
    client: AsyncClient, bearer: Bearer, things: list[dict[str, Any]], asked: list[tuple[str, int]]
) -> None:
    client.headers.update(bearer(str(uuid4())))
    rows = [(await client.post(URL, json=thing)).json() for thing in things]
    for name, number in asked:
        suffix = next((each for each in RANGES if name.endswith(each)), "")
        field = name.removesuffix(suffix)
        given = rows[number % len(rows)][field]
        if given is None:
            continue
        found = await client.get(URL, params={name: given})
        assert found.status_code == 200, (name, given, found.text)
        holds = RANGES.get(suffix, operator.eq)
        value = meant({field: given})[field]
        expected = [
            row
            for row in rows
            if row[field] is not None and holds(meant({field: row[field]})[field], value)
        ]
        assert found.json() == {"items": expected, "next": None}


@often
@given(st.lists(THINGS, min_size=1, max_size=5), st.sampled_from(SORTED), st.booleans())
async def test_pages_go_through_all_of_a_sorted_list_once(
    client: AsyncClient, bearer: Bearer, things: list[dict[str, Any]], field: str, is_down: bool
) -> None:
    client.headers.update(bearer(str(uuid4())))
    rows = [(await client.post(URL, json=thing)).json() for thing in things]
    asked: dict[str, Any] = {"sort": f"-{field}" if is_down else field, "limit": 1}
    seen = []
    while True:
        page = await client.get(URL, params=asked)
        assert page.status_code == 200, page.text
        seen += page.json()["items"]
        if page.json()["next"] is None:
            break
        asked["after"] = page.json()["next"]
    assert sorted(row["id"] for row in seen) == sorted(row["id"] for row in rows)
    if field != "words":  # Those go by the collation of the database.
        values = [meant({field: row[field]})[field] for row in seen]
        assert values == sorted(values, reverse=is_down)
