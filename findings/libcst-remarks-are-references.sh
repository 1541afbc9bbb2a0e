#!/usr/bin/env bash
# libcst 1.9.0: every text inside an annotation that happens to parse counts as a use of the names in it.
# In Annotated["Order", "Order is kept"] only the first text is a forward reference. The scope analysis
# looks at both, and a remark that is no Python is left out without a word; one that is an expression
# ("Order") counts. Who renames by it rewrites what people only say.
SEEN='
accesses of Order: 2
of them in a remark: 1
'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check libcst==1.9.0
printed=$("$folder/venv/bin/python" - <<'PYTHON'
from typing import Annotated, get_args, get_type_hints

import libcst as cst
from libcst.metadata import MetadataWrapper, ScopeProvider

CODE = '''
from typing import Annotated
from shop import Order

def keep(order: Annotated["Order", "Order"]) -> None: ...
'''
wrapper = MetadataWrapper(cst.parse_module(CODE))
scopes = {scope for scope in wrapper.resolve(ScopeProvider).values() if scope is not None}
found = {access for scope in scopes for access in scope.accesses if any(
    getattr(each, "name", "") == "Order" for each in access.referents
)}
print(f"accesses of Order: {len(found)}")


class Order: ...


def keep(order: Annotated["Order", "Order"]) -> None: ...


hint = get_type_hints(keep, globals(), include_extras=True)["order"]
remarks = [each for each in get_args(hint)[1:] if isinstance(each, str)]
print(f"of them in a remark: {len(remarks)}")
PYTHON
)
echo "$printed"
[ "$printed" = "$(echo "$SEEN" | sed '/^$/d')" ]
