#!/usr/bin/env bash
# pydantic 2.14.4: a Decimal that may have as many decimal places as digits (max_digits equal to decimal_places,
# a fraction below one, as Postgres's numeric(4,4)) refuses 0, although 0 == 0.0 and 0.0 is taken. Zero counts as one
# digit before the point unless the Decimal has places; a JSON number cannot say zero at all: `0.0` is refused as well.
SEEN='
4 digits, 4 of them decimal places
Decimal(0): decimal_whole_digits
Decimal(0.0): taken
JSON 0: decimal_whole_digits
JSON 0.0: decimal_whole_digits
5 digits, 4 of them decimal places
Decimal(0): taken
Decimal(0.0): taken
JSON 0: taken
JSON 0.0: taken
'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check pydantic==2.14.4
printed=$("$folder/venv/bin/python" - <<'PYTHON'
from decimal import Decimal
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError


def said(validate, value):
    try:
        validate(value)
    except ValidationError as error:
        return error.errors()[0]["type"]
    return "taken"


assert Decimal("0") == Decimal("0.0")
for digits in (4, 5):
    print(f"{digits} digits, 4 of them decimal places")
    rate = TypeAdapter(Annotated[Decimal, Field(max_digits=digits, decimal_places=4)])
    for text in ("0", "0.0"):
        print(f"Decimal({text}): {said(rate.validate_python, Decimal(text))}")
    for text in ("0", "0.0"):
        print(f"JSON {text}: {said(rate.validate_json, text)}")
PYTHON
)
echo "$printed"
[ "$printed" = "$(echo "$SEEN" | sed '/^$/d')" ]
