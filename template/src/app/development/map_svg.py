"""The map as a picture: SVG that needs no script, no font and no other program."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from app.development.map import MappedModule
from app.development.map_layout import lay_out, Point

_METHODS_SHOWN, _EVENTS_SHOWN = 8, 4
_LINE = 20
_PADDING = 14
_HEADER = 50
_NAME_WIDTH, _OWNER_WIDTH, _METHOD_WIDTH = 9.4, 7.0, 7.6
"""Of one character. Fonts differ, so these are rather too wide than too narrow."""
_LONGEST = 36
_LEGEND = (
    "An arrow leads to what a module depends on.",
    "(tx) joins the caller's transaction; on … hears of another module's event.",
)

STYLE = """
text { font: 12px ui-sans-serif, system-ui, sans-serif; fill: #59636e; }
.name { font-size: 15px; font-weight: 600; fill: #1f2328; }
.method { font-family: ui-monospace, Menlo, Consolas, monospace; fill: #1f2328; }
.event { font-family: ui-monospace, Menlo, Consolas, monospace; }
.tx { font-weight: 600; fill: #0969da; }
.paper { fill: #ffffff; }
.box { fill: #f6f8fa; stroke: #d1d9e0; }
.rule { stroke: #d1d9e0; }
.arrow { fill: none; stroke: #818b98; stroke-width: 1.5; }
.halo { fill: none; stroke: #ffffff; stroke-width: 5; }
.head { fill: #818b98; }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1; }
  .name, .method { fill: #f0f6fc; }
  .tx { fill: #4493f8; }
  .paper { fill: #0d1117; }
  .box { fill: #161b22; stroke: #3d444d; }
  .rule { stroke: #3d444d; }
  .arrow { stroke: #7d8590; }
  .halo { stroke: #0d1117; }
  .head { fill: #7d8590; }
}
"""


@dataclass(frozen=True)
class Mark:
    """What is pinned to a module's box in a page."""

    said: str
    """A few characters."""
    label: str
    """The same in words, for those who do not see it."""
    href: str
    """Where a click on the box leads."""
    kind: str = ""
    """A class of the page's stylesheet, for the edge of the box."""
    is_bad: bool = False


def as_svg(modules: Sequence[MappedModule], marks: Mapping[str, Mark] | None = None) -> str:
    """Draw the map. The same modules give the same bytes.

    With `marks`, by module, it is for a page, which holds its `STYLE`.
    """
    marks_of = marks or {}
    layout = lay_out(
        {module.name: _size(module, marks_of.get(module.name)) for module in modules},
        {module.name: module.depends_on for module in modules},
    )
    width, height = max(layout.width, 520), layout.height + _LINE * len(_LEGEND)
    shift = (width - layout.width) // 2
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="{"img" if marks is None else "group"}" '
        'aria-labelledby="title desc">',
        '<title id="title">The modules and what they depend on</title>',
        f'<desc id="desc">{escape(_description(modules))}</desc>',
        *([f"<style>{STYLE}</style>"] if marks is None else []),
        f'<rect class="paper" width="{width}" height="{height}" rx="8"/>',
        f'<g transform="translate({shift} 0)">',
    ]
    for points in layout.arrows:
        lines += _arrow(points)
    for module in modules:
        box = layout.boxes[module.name]
        drawn = _box(module, *box)
        lines += _marked(marks_of[module.name], drawn, *box[:3]) if marks else drawn
    lines.append("</g>")
    for number, text in enumerate(reversed(_LEGEND)):
        y = height - 16 - number * _LINE
        lines.append(f'<text x="{width // 2}" y="{y}" text-anchor="middle">{text}</text>')
    lines.append("</svg>")
    return "\n".join(lines) + "\n"


def _description(modules: Sequence[MappedModule]) -> str:
    sentences = [
        f"{module.name} depends on {', '.join(module.depends_on) or 'no other module'}."
        for module in modules
    ]
    return " ".join(sentences) or "There are no modules yet."


def _size(module: MappedModule, mark: Mark | None) -> tuple[int, int]:
    rows = _rows(module)
    widest = max(
        len(_cut(module.name)) * _NAME_WIDTH + (_width(mark) if mark else 0),
        len(_cut(module.owner)) * _OWNER_WIDTH,
        *(len(name + arguments) * _METHOD_WIDTH for _, name, arguments in rows),
        130,
    )
    height = _HEADER + (len(rows) * _LINE + 2 * _PADDING - 8 if rows else 8)
    return round(widest / 2) * 2 + 2 * _PADDING, height


def _rows(module: MappedModule) -> list[tuple[str, str, str]]:
    """The methods and events that find room, each as its kind, its name and its arguments."""
    methods = [
        ("method", _cut(each.name), each.short.removeprefix(each.name)) for each in module.methods
    ]
    events = [("event", _cut(f"on {each}"), "") for each in module.listens_to]
    return _some(methods, _METHODS_SHOWN) + _some(events, _EVENTS_SHOWN)


def _some(rows: list[tuple[str, str, str]], most: int) -> list[tuple[str, str, str]]:
    if len(rows) <= most:
        return rows
    return [*rows[: most - 1], (rows[0][0], f"and {len(rows) - most + 1} more", "")]


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _box(module: MappedModule, left: int, top: int, width: int, height: int) -> list[str]:
    x = left + _PADDING
    lines = [
        f'<rect class="box" x="{left}" y="{top}" width="{width}" height="{height}" rx="8"/>',
        f'<text class="name" x="{x}" y="{top + 22}">{escape(_cut(module.name))}</text>',
        f'<text x="{x}" y="{top + 40}">{escape(_cut(module.owner))}</text>',
    ]
    rows = _rows(module)
    if not rows:
        return lines
    y = top + _HEADER
    lines.append(f'<path class="rule" d="M{left} {y}h{width}"/>')
    for kind, name, arguments in rows:
        y += _LINE
        tx = '(<tspan class="tx">tx</tspan>)' if arguments == "(tx)" else arguments
        lines.append(f'<text class="{kind}" x="{x}" y="{y}">{escape(name)}{tx}</text>')
    return lines


def _marked(mark: Mark, box: list[str], left: int, top: int, width: int) -> list[str]:
    """Let a box be a link, with a label in its upper corner."""
    wide = _width(mark)
    x, y = left + width - wide - 8, top + 8
    kind = "mark bad" if mark.is_bad else "mark"
    return [
        f'<a href="{escape(mark.href)}" aria-label="{escape(mark.label)}">',
        *box,
        f'<rect class="edge {mark.kind}" x="{left}" y="{top + 8}" width="4" height="34" rx="2"/>',
        f'<rect class="{kind}" x="{x}" y="{y}" width="{wide}" height="20" rx="10"/>',
        f'<text class="{kind}" x="{x + wide // 2}" y="{y + 14}" text-anchor="middle">'
        f"{escape(mark.said)}</text>",
        "</a>",
    ]


def _width(mark: Mark) -> int:
    return round(len(mark.said) * _OWNER_WIDTH) + 16


def _arrow(points: Sequence[Point]) -> list[str]:
    """Straight beside the boxes of a row, curved between two rows, and over a halo."""
    (x, y), (end, tip) = points[0], points[-1]
    path = f"M{x} {y}"
    for index, (to_x, to_y) in enumerate(points[1:]):
        to_y -= 6 if index == len(points) - 2 else 0  # Room for the head.
        middle = (y + to_y) // 2
        path += f"C{x} {middle} {to_x} {middle} {to_x} {to_y}" if index % 2 else f"V{to_y}"
        x, y = to_x, to_y
    head = f"M{end - 5} {tip - 9}L{end} {tip}L{end + 5} {tip - 9}z"
    return [
        f'<path class="halo" d="{path}"/>',
        f'<path class="arrow" d="{path}"/>',
        f'<path class="head" d="{head}"/>',
    ]
