#!/usr/bin/env bash
# griffe 2.4.1: of the twelve kinds of breakage that BreakageKind names, find_breaking_changes never gives
# ATTRIBUTE_CHANGED_TYPE, and RETURN_CHANGED_TYPE only where the annotation disappears: `-> int` that becomes
# `-> str`, and a function that becomes a coroutine, pass as compatible. Given two functions instead of
# two modules, it says nothing at all, although a parameter is gone.
SEEN='
kinds named: RETURN_CHANGED_TYPE ATTRIBUTE_CHANGED_TYPE
-> int becomes -> str: []
-> int becomes no annotation: [RETURN_CHANGED_TYPE]
def becomes async def: []
x: int becomes x: str: []
a parameter is gone, two modules: [PARAMETER_REMOVED]
a parameter is gone, two functions: []
'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check griffe==2.4.1
printed=$("$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
from pathlib import Path

import griffe

loaded = 0


def load(code):
    global loaded
    loaded += 1
    path = Path(sys.argv[1], f"version{loaded}")
    path.mkdir()
    path.joinpath("shop.py").write_text(code)
    return griffe.load("shop", search_paths=[path], try_relative_path=False)


def compare(what, old, new):
    found = griffe.find_breaking_changes(old, new)
    print(f"{what}: [{', '.join(each.kind.name for each in found)}]")


asked = ("RETURN_CHANGED_TYPE", "ATTRIBUTE_CHANGED_TYPE")
print("kinds named:", *(kind.name for kind in griffe.BreakageKind if kind.name in asked))
int_returned = load("def f() -> int: ...")
compare("-> int becomes -> str", int_returned, load("def f() -> str: ..."))
compare("-> int becomes no annotation", int_returned, load("def f(): ..."))
compare("def becomes async def", int_returned, load("async def f() -> int: ..."))
compare("x: int becomes x: str", load("x: int = 1"), load("x: str = '1'"))
one, none = load("def f(a): ..."), load("def f(): ...")
compare("a parameter is gone, two modules", one, none)
compare("a parameter is gone, two functions", one["f"], none["f"])
PYTHON
)
echo "$printed"
[ "$printed" = "$(echo "$SEEN" | sed '/^$/d')" ]
