"""The map: tiny sets of modules, and how they are drawn."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from random import Random
from typing import Protocol
from xml.etree import ElementTree

import pytest

from app.development.map import as_json, as_mermaid, as_text, draw_map
from app.development.map_layout import lay_out
from app.development.map_svg import as_svg
from app.platform.database.database import Tx
from app.platform.jobs.events import Event
from app.platform.wiring.modules import Module, ModuleFolder

SVG = "{http://www.w3.org/2000/svg}"


class Readable(Protocol):
    def get(self, id: int) -> str: ...


class Billing(Readable, Protocol):
    async def charge(self, tx: Tx, amount: int) -> None: ...

    async def about(self) -> None: ...


def folder(
    name: str, *depends_on: str, interface: type = Billing, owner: str = "@acme/team"
) -> ModuleFolder:
    declaration = Module(lambda: None)
    return ModuleFolder(name, name, Path(name), declaration, interface, depends_on, owner, {})


SHOP = [
    folder("catalog"),
    folder("billing", owner="@acme/payments"),
    folder("ordering", "catalog", "billing"),
]


def many(count: int, seed: int) -> list[ModuleFolder]:
    """Modules that depend on a few of those before them."""
    choose = Random(seed)
    names = [f"m{number}" for number in range(count)]
    return [
        folder(name, *choose.sample(names[:index], min(index, choose.choice([0, 1, 1, 2, 3, 5]))))
        for index, name in enumerate(names)
    ]


def texts(svg: str) -> list[str]:
    return ["".join(text.itertext()) for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_a_module_stands_in_the_layer_above_the_highest_it_depends_on() -> None:
    chain = [folder("c"), folder("b", "c", "c"), folder("d", "c"), folder("a", "c", "b")]
    assert [(m.name, m.layer) for m in draw_map(chain)] == [("a", 2), ("b", 1), ("d", 1), ("c", 0)]
    assert draw_map(chain)[1].depends_on == ["c"]


def test_the_text_shows_interfaces_owners_and_dependencies() -> None:
    assert as_text(draw_map(SHOP[:2])) == (
        "billing: Billing  @acme/payments\n"
        "    get(id)\n    charge(tx, amount)\n    about()\n"
        "\n"
        "catalog: Billing  @acme/team\n"
        "    get(id)\n    charge(tx, amount)\n    about()\n"
    )
    assert "ordering: Billing  @acme/team  → billing, catalog\n" in as_text(draw_map(SHOP))


def test_it_says_what_a_module_listens_to() -> None:
    async def ship(tx: Tx, event: Event) -> None: ...

    listener = folder("shipping")
    events = [type(f"Happened{number}", (Event,), {}) for number in range(6)]
    for heard, shown in ((events[:1], ["on Happened0"]), (events, ["on Happened2", "and 3 more"])):
        declaration = Module(listener.declaration.build, subscriptions=dict.fromkeys(heard, ship))
        drawn = draw_map([replace(listener, declaration=declaration)])
        assert as_text(drawn).endswith(f"    on {heard[-1].__name__}\n")
        assert f"<br>on {heard[-1].__name__}" in as_mermaid(drawn)
        assert texts(as_svg(drawn))[-2 - len(shown) : -2] == shown


def test_mermaid_names_each_module_and_each_dependency() -> None:
    lines = as_mermaid(draw_map(SHOP)).splitlines()
    assert lines[0] == "flowchart TD"
    box = "<b>billing</b><br>@acme/payments<br>get()<br>charge(tx)<br>about()"
    assert lines[2] == f'    m_billing["{box}"]'
    assert lines[-2:] == ["    m_ordering --> m_billing", "    m_ordering --> m_catalog"]


def test_json_holds_everything() -> None:
    billing = json.loads(as_json(draw_map(SHOP)))["modules"][1]
    assert {**billing, "methods": billing["methods"][1]} == {
        "name": "billing",
        "interface": "Billing",
        "owner": "@acme/payments",
        "layer": 0,
        "depends_on": [],
        "listens_to": [],
        "methods": {"name": "charge", "parameters": ["tx", "amount"], "takes_tx": True},
    }


def test_the_picture_is_accessible_and_shows_every_module_with_its_methods() -> None:
    svg = as_svg(draw_map(SHOP))
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "title desc"
    assert root.findtext(f"{SVG}title") == "The modules and what they depend on"
    assert "ordering depends on billing, catalog." in str(root.findtext(f"{SVG}desc"))
    assert texts(svg)[:5] == ["ordering", "@acme/team", "get()", "charge(tx)", "about()"]
    assert "prefers-color-scheme: dark" in svg
    assert len(root.findall(f".//{SVG}path[@class='arrow']")) == 2


@pytest.mark.parametrize("draw", [as_text, as_mermaid, as_json, as_svg])
def test_the_order_of_discovery_does_not_show(draw: Callable[..., str]) -> None:
    again = [SHOP[1], SHOP[0], folder("ordering", "billing", "catalog")]
    assert draw(draw_map(again)) == draw(draw_map(SHOP))


def test_what_has_a_meaning_in_xml_is_escaped() -> None:
    owner = '<script>&"]]>'
    drawn = draw_map([folder("a", owner=owner)])
    assert owner in texts(as_svg(drawn))
    assert as_mermaid(drawn).count('"') == 2


def test_long_names_and_many_methods_are_cut_short() -> None:
    names = [*(f"m{number}" for number in range(20)), "x" * 90]
    wide: dict[str, type] = {}
    exec("class Wide:\n" + "".join(f"    def {name}(self): ...\n" for name in names), wide)
    of_a = folder("a", interface=wide["Wide"], owner="@acme/" + "y" * 90)
    shown = texts(as_svg(draw_map([of_a])))
    assert shown[2:10] == [*(f"m{number}()" for number in range(7)), "and 14 more"]
    assert max(map(len, shown[:-2])) == 36


@pytest.mark.parametrize("folders", [[], [folder("alone")]], ids=["none", "one"])
def test_few_modules_make_a_small_picture(folders: list[ModuleFolder]) -> None:
    svg = as_svg(draw_map(folders))
    assert svg.count('class="box"') == len(folders)
    assert svg.count('class="arrow"') == 0
    assert as_text(draw_map(folders))


@pytest.mark.parametrize(("count", "seed"), [(4, 1), (12, 2), *((30, seed) for seed in range(8))])
def test_nothing_overlaps(count: int, seed: int) -> None:
    root = ElementTree.fromstring(as_svg(draw_map(many(count, seed))))
    boxes = [
        tuple(int(box.get(side, "")) for side in ("x", "y", "width", "height"))
        for box in root.findall(f".//{SVG}rect[@class='box']")
    ]
    assert len(boxes) == count
    for (x, y, width, height), (x2, y2, width2, height2) in combinations(boxes, 2):
        beside = x + width <= x2 or x2 + width2 <= x
        assert beside or y + height <= y2 or y2 + height2 <= y
    assert min(x for x, *_ in boxes) >= 0
    assert max(x + width for x, _, width, _ in boxes) <= int(root.get("width", ""))


@pytest.mark.parametrize("seed", range(8))
def test_arrows_point_down_and_pass_between_the_boxes(seed: int) -> None:
    choose = Random(seed)
    folders = many(30, seed)
    sizes = {f.name: (choose.randrange(100, 300, 2), choose.randrange(50, 200)) for f in folders}
    layout = lay_out(sizes, {f.name: f.depends_on for f in folders})
    assert len(layout.arrows) == sum(len(f.depends_on) for f in folders)
    for points in layout.arrows:
        heights = [y for _, y in points]
        assert heights == sorted(heights)
        # By turns straight beside the boxes of a row, and curved where there are none.
        for (x, y), (x2, y2) in pairwise(points):
            for left, top, width, height in layout.boxes.values():
                inside = min(x, x2) < left + width and left < max(x, x2) + 1
                assert not (inside and y < top + height and top < y2), points


def test_arrows_that_need_not_cross_run_straight() -> None:
    ladder = [folder("a"), folder("b"), folder("c"), folder("x", "c"), folder("y", "b")]
    svg = as_svg(draw_map([*ladder, folder("z", "a")]))
    starts = re.findall(r'class="arrow" d="M(\d+) \d+V\d+C\d+ \d+ (\d+)', svg)
    assert len(starts) == 3
    assert all(start == end for start, end in starts)
