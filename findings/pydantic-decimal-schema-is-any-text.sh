#!/usr/bin/env bash
# pydantic 2.14.4: in what an endpoint answers, the JSON schema of a Decimal is that of any text, with or without
# limits: the pattern of 2.12 and 2.13 is gone. So no comparison of schemas sees a price that becomes free text.
# Two tools made for it see less: jsoncompat 0.3.1 takes a UUID for any text (it looks at constants and lengths, not
# at formats); specshift 1.5.0 says nothing where a format, a constant or a length is taken away.
SEEN='
Decimal: {"type": "string"}
Decimal, 10 digits, 2 places, not negative: {"type": "string"}
str: {"type": "string"}
an answer was, and is now str: jsoncompat, specshift
Decimal: compatible, No differences found between the two specifications.
UUID: compatible, No differences found between the two specifications.
Literal: broken, No differences found between the two specifications.
at most 5 letters: broken, No differences found between the two specifications.
int: broken, Result: 1 breaking change(s) make this update risky.
'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check \
  pydantic==2.14.4 fastapi==0.165.0 jsoncompat==0.3.1 specshift==1.5.0
cd "$folder"
printed=$(venv/bin/python - <<'PYTHON'
import json
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

from fastapi import FastAPI
from jsoncompat import Role, check_compat
from pydantic import Field, TypeAdapter, create_model

PRICE = Annotated[Decimal, Field(max_digits=10, decimal_places=2, ge=0)]
BEFORE = {
    "Decimal": PRICE,
    "UUID": UUID,
    "Literal": Literal["paid"],
    "at most 5 letters": Annotated[str, Field(max_length=5)],
    "int": int,
}


def schema(kind) -> str:
    return json.dumps(TypeAdapter(kind).json_schema(mode="serialization"))


def write(path: str, kind) -> None:
    """The OpenAPI document of an application that answers an order with one field."""
    app = FastAPI()
    order = create_model("Order", field=(kind, ...))
    app.add_api_route("/order", lambda: None, name="order", response_model=order)
    Path(path).write_text(json.dumps(app.openapi()))


for name, kind in {
    "Decimal": Decimal,
    "Decimal, 10 digits, 2 places, not negative": PRICE,
    "str": str,
}.items():
    print(f"{name}: {schema(kind)}")
print("an answer was, and is now str: jsoncompat, specshift")
write("now.json", str)
for name, kind in BEFORE.items():
    write("before.json", kind)
    compatible = check_compat(schema(kind), schema(str), Role.SERIALIZER)
    said = subprocess.run(
        ["venv/bin/specshift", "diff", "before.json", "now.json", "--quiet"],
        capture_output=True,
        text=True,
    )
    last = said.stdout.strip().splitlines()[-1]
    print(f"{name}: {'compatible' if compatible else 'broken'}, {last}")
PYTHON
)
echo "$printed"
[ "$printed" = "$(echo "$SEEN" | sed '/^$/d')" ]
