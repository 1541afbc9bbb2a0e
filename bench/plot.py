"""A bar for each contender, as SVG: on a card of its own, so that it reads on any page."""

import math
from html import escape

from .results import Plot
from .tables import shown

WIDTH, LABEL, ROW, TOP = 720, 250, 26, 56
BARS = WIDTH - LABEL - 100
STYLE = """
.card { fill: #ffffff; stroke: #d8dee4 } text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 } .unit { fill: #59636e } .bar { fill: #afb8c1 } .ours { fill: #0969da }
@media (prefers-color-scheme: dark) {
  .card { fill: #161b22; stroke: #30363d } text { fill: #e6edf3 }
  .unit { fill: #9198a1 } .bar { fill: #59636e } .ours { fill: #4493f8 }
}
"""


def svg(plot: Plot) -> str:
    height = TOP + ROW * len(plot.bars) + 14
    described = "; ".join(f"{label}: {shown(value)}" for label, value, _ in plot.bars)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        f' width="{WIDTH}" height="{height}">',
        f"<title>{escape(plot.title)}</title>",
        f"<desc>{escape(described)}</desc>",
        f"<style>{STYLE}</style>",
        f'<rect class="card" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="6"/>',
        f'<text class="title" x="16" y="26">{escape(plot.title)}</text>',
        f'<text class="unit" x="16" y="44">{escape(plot.unit)}'
        f"{', on a logarithmic scale' if plot.logarithmic else ''}</text>",
    ]
    for number, (label, value, ours) in enumerate(plot.bars):
        y = TOP + ROW * number
        length = max(2.0, BARS * share(plot, value))
        lines += [
            f'<text x="{LABEL - 10}" y="{y + 16}" text-anchor="end">{escape(label)}</text>',
            f'<rect class="{"ours" if ours else "bar"}" x="{LABEL}" y="{y + 3}"'
            f' width="{length:.0f}" height="18" rx="2"/>',
            f'<text x="{LABEL + length + 8:.0f}" y="{y + 16}">{shown(value)}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def share(plot: Plot, value: float) -> float:
    """Return how long a bar is, of the longest."""
    values = [each for _, each, _ in plot.bars if each > 0]
    most, least = max(values), min(values)
    if not plot.logarithmic:
        return value / most
    floor = math.log10(least) - 0.3
    return (math.log10(max(value, least)) - floor) / (math.log10(most) - floor)
