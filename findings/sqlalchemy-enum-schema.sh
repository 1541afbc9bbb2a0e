#!/usr/bin/env bash
# SQLAlchemy 2.1.9: a MetaData with a schema gives it to a native enum that is written out, and not to the
# same enum by annotation: `mapped_column(Enum(State))` makes the type shop.state, `Mapped[State]` makes a
# type without any schema, beside a table that has one. Where the search_path names no schema that one may
# write to, the table cannot be made; elsewhere two modules with an enum of one name share a type. The same
# holds for a Sequence as default.
# Seen on 2026-11-29:
#   Enum(State): shop, Mapped[State]: None, Sequence: None, table: shop
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check sqlalchemy==2.1.9
"$folder/venv/bin/python" - <<'PYTHON'
from enum import StrEnum

from sqlalchemy import Enum, MetaData, Sequence
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class State(StrEnum):
    OPEN = "open"
    DONE = "done"


class Base(DeclarativeBase):
    metadata = MetaData(schema="shop")


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(Sequence("order_numbers"), primary_key=True)
    written: Mapped[State] = mapped_column(Enum(State, metadata=Base.metadata))
    inferred: Mapped[State]


table = Order.__table__
written, inferred = (table.c[name].type.schema for name in ("written", "inferred"))
sequence = table.c.id.default.schema
print(f"Enum(State): {written}, Mapped[State]: {inferred}, Sequence: {sequence}, table: {table.schema}")
assert (written, inferred, sequence, table.schema) == ("shop", None, None, "shop")
PYTHON
