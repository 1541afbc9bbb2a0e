"""What a prepared SELECT returns is what a session returns, whatever the types."""

import enum
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    bindparam,
    Dialect,
    Enum,
    Float,
    Integer,
    Interval,
    JSON,
    Numeric,
    select,
    String,
    text,
    TypeDecorator,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database.database import Database
from app.platform.database.fetch import Prepared


class Colour(enum.Enum):
    RED = 1


class Shouted(TypeDecorator[str]):
    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        return value and value.lower()

    def process_result_value(self, value: str | None, _dialect: Dialect) -> str | None:
        return value and value.upper()


VALUES: list[tuple[Any, str, object]] = [
    (Shouted(), "text", "LOUD"),
    (Enum(Colour, native_enum=False), "text", Colour.RED),
    (JSON(), "json", {"a": [1, None]}),
    (JSONB(none_as_null=True), "jsonb", {"a": [1, None]}),
    (Numeric(8, 2), "numeric", Decimal("1.50")),
    (Numeric(8, 2, asdecimal=False), "numeric", 1.5),
    (Numeric(), "float8", Decimal("1.5000000000")),
    (Float(), "float8", 1.5),
    (Uuid(), "uuid", UUID(int=1)),
    (Uuid(as_uuid=False), "uuid", str(UUID(int=1))),
    (Interval(), "interval", timedelta(days=1, seconds=2)),
    (TIMESTAMP(), "timestamp", datetime(2026, 1, 2, 3)),
    (ARRAY(Integer), "int4[]", [1, 2]),
    (ARRAY(Numeric(4, 1)), "numeric[]", [Decimal("1.5"), None]),
]


@pytest.mark.parametrize(
    ("kind", "cast", "value"), VALUES, ids=[f"{kind!r} in {cast}" for kind, cast, _ in VALUES]
)
@pytest.mark.parametrize("is_null", [False, True])
async def test_a_value_is_what_a_session_makes_of_it(
    engine: AsyncEngine, kind: Any, cast: str, value: object, is_null: bool
) -> None:
    value = None if is_null else value
    db = Database(engine, "catalog")
    query = select(bindparam("value", type_=kind).op("::", return_type=kind)(text(cast)))
    found = await db.fetch(Prepared(query), value=value)
    async with db.transaction() as tx:
        of_a_session = (await tx.execute(query, {"value": value})).all()
    assert repr(found) == repr([tuple(row) for row in of_a_session])
    assert found == [(value,)]
