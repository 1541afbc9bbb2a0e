#!/usr/bin/env bash
# pydantic 2.14.4: strict mode on JSON still turns some values into others.
# `true` becomes the member 1 of an IntEnum and passes for Literal[1], the text "7" becomes a moment in
# 1970, and a list with an element twice becomes a set with one. Who reads by strict mode whether a
# message was written for another schema must also write the value again, and compare.
SEEN='
IntEnum <- true: <Size.SMALL: 1>
Literal[1] <- true: 1
datetime <- "7": 1970-01-01 00:00:07+00:00
set[str] <- ["a", "a"]: 1 element
int <- "7": refused
'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check pydantic==2.14.4
printed=$("$folder/venv/bin/python" - <<'PYTHON'
from datetime import datetime
from enum import IntEnum
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


def read(kind: Any, text: str) -> Any:
    try:
        return TypeAdapter(kind).validate_json(text, strict=True)
    except ValidationError:
        return "refused"


print(f"IntEnum <- true: {read(Size, 'true')!r}")
print(f"Literal[1] <- true: {read(Literal[1], 'true')}")
print(f'datetime <- "7": {read(datetime, chr(34) + "7" + chr(34))}')
print(f'set[str] <- ["a", "a"]: {len(read(set[str], """["a", "a"]"""))} element')
print(f'int <- "7": {read(int, chr(34) + "7" + chr(34))}')
PYTHON
)
echo "$printed"
[ "$printed" = "$(echo "$SEEN" | sed '/^$/d')" ]
