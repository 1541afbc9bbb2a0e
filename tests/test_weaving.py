"""What is added to a file, and that everything else in it stays as it was."""

import pytest

from scaffold.weaving import NotUnderstoodError, Weaving

INTERFACE = b'''"""Billing."""

from typing import Protocol  # ours
from uuid import UUID

# A remark.
class Old: ...


@final
class Billing(Protocol):
    """What it does."""

    async def old(self) -> Old:
        """Old."""
    # behind it


LAST = 1
'''
PART = b'''from uuid import UUID

from app.x import Page


class New:
    x: int


class Billing(Protocol):
    async def new(self) -> New:
        """New."""
'''


def woven(content: bytes, part: bytes, *steps: tuple[str, str]) -> str:
    weaving = Weaving(content, part)
    for step, name in steps:
        getattr(weaving, step)(*([name] if name else []))
    return weaving.result().decode()


def test_an_interface_gains_values_above_it_and_methods_at_its_end():
    found = woven(
        INTERFACE,
        PART,
        ("add_imports", ""),
        ("add_definitions", "Billing"),
        ("add_methods", "Billing"),
    )
    added = [line for line in found.splitlines() if line not in INTERFACE.decode().splitlines()]
    assert added == [
        "from app.x import Page",
        "class New:",
        "    x: int",
        "    async def new(self) -> New:",
        '        """New."""',
    ]
    assert [
        line for line in found.splitlines() if line in INTERFACE.decode().splitlines() and line
    ] == [line for line in INTERFACE.decode().splitlines() if line]
    assert found.index("class New") < found.index("@final")
    assert found.index("async def old") < found.index("async def new") < found.index("LAST")
    compile(found, "woven", "exec")


def test_lines_end_as_they_do_in_the_file():
    crlf = INTERFACE.replace(b"\n", b"\r\n")
    weaving = Weaving(crlf, PART)
    weaving.add_imports()
    weaving.add_definitions("Billing")
    weaving.add_methods("Billing")
    assert weaving.result().count(b"\n") == weaving.result().count(b"\r\n")
    compile(weaving.result(), "woven", "exec")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"class S:\n    x = 1\n", "class S(Rules):\n    x = 1\n"),
        (b"class S():\n    x = 1\n", "class S(Rules):\n    x = 1\n"),
        (
            b"class  S (Old, x=1) : # mine\n    x = 1\n",
            "class  S (Rules, Old, x=1) : # mine\n    x = 1\n",
        ),
        (
            "# \u00e9\nclass S(\n    Old,  # \u00e9\n):\n    x = 1\n".encode(),
            "# \u00e9\nclass S(\n    Rules, Old,  # \u00e9\n):\n    x = 1\n",
        ),
        (b"class S(Old, Rules):\n    x = 1\n", "class S(Old, Rules):\n    x = 1\n"),
    ],
)
def test_a_class_gains_a_base(before, after):
    assert woven(before, b"class S(Rules): ...\n", ("add_base", "S")) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"module = Module(build)\n", "module = Module(build, routes=routes)\n"),
        (
            b"module = Module(\n    build,\n    jobs=[a],\n)\n",
            "module = Module(\n    build,\n    jobs=[a], routes=routes,\n)\n",
        ),
        (b"module = Module(build, routes=mine)\n", "module = Module(build, routes=mine)\n"),
    ],
)
def test_a_call_gains_what_it_does_not_hand_on_yet(before, after):
    part = b"module = Module(routes=routes)\n"
    assert woven(before, part, ("add_keywords", "module")) == after


ROUTES = b"def routes(service: B, db: Db) -> R:\n    router = R()\n    add(router, service, db)\n    return router\n"


def test_a_function_calls_with_the_names_it_has_itself():
    before = (
        b"def routes(mine: B, *, x: int, base: int = 1) -> R:\n    api = R()\n\n    return api\n"
    )
    with pytest.raises(NotUnderstoodError, match="takes no Db"):
        woven(before, ROUTES, ("add_calls", "routes"))
    before = b"def routes(database: Db, mine: B) -> R:\n    api = R()\n\n    return api\n"
    found = woven(before, ROUTES, ("add_calls", "routes"))
    assert found == before.decode().replace(
        "    return", "    add(api, mine, database)\n    return"
    )
    assert woven(found.encode(), ROUTES, ("add_calls", "routes")) == found


def test_calls_stand_above_routes_that_would_catch_theirs():
    head = "def routes(mine: B, db: Db) -> R:\n    @cached\n    def x(): ...\n\n    api = R()  # ours\n"
    routes = "\n    # One.\n    @api.get('/{id}')\n    def get(): ...\n\n    return api\n"
    found = woven(f"{head}{routes}".encode(), ROUTES, ("add_calls", "routes"))
    assert found == f"{head}    add(api, mine, db)\n{routes}"
    more = ROUTES.replace(b"add(", b"add_more(")
    again = woven(found.encode(), more, ("add_calls", "routes"))
    assert again == f"{head}    add(api, mine, db)\n    add_more(api, mine, db)\n{routes}"


@pytest.mark.parametrize(
    ("content", "part", "step", "name", "said"),
    [
        (b"x = (\n", PART, "add_imports", "", "no Python"),
        (b"x = 1\n", PART, "add_definitions", "Billing", "no class Billing"),
        (b"class Billing(Protocol): ...\n", PART, "add_methods", "Billing", "on one line"),
        (b"class Page: ...\n", PART, "add_imports", "", "Page is something else"),
        (b"from mine import Page\n", PART, "add_imports", "", "Page is something else"),
        (b"from mine import Page", b"from x import y\n", "add_imports", "", "does not end"),
        (
            b"class S[T]:\n    x = 1\n",
            b"class S(R): ...\n",
            "add_base",
            "S",
            "unusual form|no Python",
        ),
        (b"def routes(): return make()\n", ROUTES, "add_calls", "routes", "returning a variable"),
        (b"async def routes(): ...\n", ROUTES, "add_calls", "routes", "no function routes"),
        (b"module = made\n", b"module = M(r=1)\n", "add_keywords", "module", "no variable module"),
        (b"module = M()\n", b"module = M(r=1)\n", "add_keywords", "module", "made of nothing"),
    ],
)
def test_what_is_of_another_form_is_not_touched(content, part, step, name, said):
    with pytest.raises(NotUnderstoodError, match=said):
        woven(content, part, (step, name))


def test_what_was_added_by_hand_counts_and_half_of_it_does_not():
    both = INTERFACE.replace(b"    # behind it", b"    async def new(self): ...").replace(
        b"class Old", b"class New: ...\n\n\nclass Old"
    )
    assert Weaving(both, PART).is_done(["Billing"])
    assert not Weaving(INTERFACE, PART).is_done(["Billing"])
    half = INTERFACE.replace(b"class Old", b"class New: ...\n\n\nclass Old")
    with pytest.raises(NotUnderstoodError, match="has New already"):
        Weaving(half, PART).is_done(["Billing"])


def test_a_constructor_sets_what_is_asked_for():
    made = b"class S:\n    def __init__(self, db):\n        self._db: int = db\n"
    Weaving(made, b"").sets("S", ["_db"])
    with pytest.raises(NotUnderstoodError, match=r"S\.__init__ does not set self\._events"):
        Weaving(made, b"").sets("S", ["_db", "_events"])
