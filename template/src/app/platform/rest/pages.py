"""Pages of a list: each begins behind the last row of the one before, whatever was added meanwhile."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from operator import eq, ge, le, lt
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic_core import to_jsonable_python
from sqlalchemy import ColumnElement, Select, tuple_

from app.platform.database import Reading
from app.platform.errors import DomainError

T = TypeVar("T")
Row = TypeVar("Row")

_CONDITIONS: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "_from": ge,
    "_before": lt,
    "_min": ge,
    "_max": le,
}


class UnknownCursor(DomainError):
    """What `after` says is no `next` of this list."""


class Page(BaseModel, Generic[T]):
    """Some of a list, in order."""

    items: list[T]
    next: str | None
    """Pass it as `after` to read on; null behind the last page."""


class PageQuery(BaseModel):
    """What a list is asked for. A module adds what its list can be filtered and sorted by:

        class OrderQuery(PageQuery):
            status: OrderStatus | None = None
            placed_at_from: AwareDatetime | None = None
            sort: Literal["placed_at", "-placed_at"] | None = None

    A field that is given filters by the column of its name, or, with `_from` (at least), `_before`
    (less), `_min` and `_max` (both inclusive) behind it, by where that begins or ends. What a list is
    sorted by is never NULL; rows that are equal there, and lists that are not sorted, go by `id`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[int, Field(ge=1, le=100)] = 50
    after: Annotated[str | None, Field(max_length=4000)] = None

    async def page(
        self, reading: Reading, rows: Select[Row], value_of: Callable[[Row], T]
    ) -> Page[T]:
        """Return a page of those rows that the query asks for, each as a value."""
        entity = rows.column_descriptions[0]["entity"]
        sort: str = getattr(self, "sort", None) or ""
        names = [*([sort.removeprefix("-")] if sort else []), "id"]
        keys = [getattr(entity, name) for name in names]
        is_down = sort.startswith("-")
        rows = rows.where(*self._conditions(entity))
        if self.after is not None:
            seen = tuple_(*_decoded(self.after, sort, keys), types=[key.type for key in keys])
            rows = rows.where(tuple_(*keys) < seen if is_down else tuple_(*keys) > seen)
        rows = rows.order_by(*(key.desc() if is_down else key for key in keys))
        found = list(await reading.scalars(rows.limit(self.limit + 1)))
        page = found[: self.limit]
        last = [getattr(page[-1], name) for name in names] if len(found) > len(page) else None
        return Page(items=[value_of(row) for row in page], next=last and _encoded(sort, last))

    def _conditions(self, entity: Any) -> Iterator[ColumnElement[bool]]:
        for name in type(self).model_fields.keys() - PageQuery.model_fields.keys() - {"sort"}:
            if (value := getattr(self, name)) is None:
                continue
            column, holds = name, eq
            if not hasattr(entity, name):
                suffix = next(each for each in _CONDITIONS if name.endswith(each))
                column, holds = name.removesuffix(suffix), _CONDITIONS[suffix]
            yield holds(getattr(entity, column), value)


def _is_comparable(value: object) -> bool:
    if isinstance(value, datetime):
        return value.tzinfo is not None
    return not isinstance(value, Decimal) or abs(value.adjusted()) < 1000


def _encoded(sort: str, last: list[Any]) -> str:
    written = json.dumps([sort, *to_jsonable_python(last)], ensure_ascii=False)
    return urlsafe_b64encode(written.encode()).decode().rstrip("=")


def _decoded(after: str, sort: str, keys: list[Any]) -> list[Any]:
    try:
        written = json.loads(urlsafe_b64decode(after + "=" * (-len(after) % 4)))
        was_sorted, *values = written
        if was_sorted != sort:
            raise ValueError(f"sorted by {was_sorted}")
        kinds = [TypeAdapter(key.type.python_type) for key in keys]
        seen = [kind.validate_python(value) for kind, value in zip(kinds, values, strict=True)]
        if not all(map(_is_comparable, seen)):
            raise ValueError("no value of a column")
    except (ValueError, TypeError):
        raise UnknownCursor("`after` is no `next` that this list has returned.") from None
    return seen
