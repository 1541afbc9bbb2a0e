"""Where the boxes and arrows of the map go.

Rows from top to bottom, so that every arrow points down. An arrow that passes a row bends there, at
a place of its own between the boxes. Rows are ordered so that few arrows cross, then moved sideways
so that they run straight. The same modules give the same picture, on every machine.
"""

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil, fsum, sqrt

Size = tuple[int, int]
Point = tuple[int, int]

_GAP, _BETWEEN_ARROWS = 36, 20
_BETWEEN_ROWS = (56, 130)
"""The least and the most; the wider the arrows swing, the more."""
_BETWEEN_PORTS = 16
_MARGIN = 32
_SWEEPS = 120


@dataclass(eq=False)
class Node:
    """A box, or the place where an arrow passes a row."""

    name: str
    width: int
    height: int
    above: list["Node"] = field(default_factory=list)
    below: list["Node"] = field(default_factory=list)
    x: float = 0
    """Of the middle."""
    y: int = 0
    """Of the upper edge."""
    floor: int = 0
    """Of the lower edge of its row."""

    @property
    def arrows(self) -> list["Node"]:
        """The other ends of its arrows, or of their parts."""
        return self.above + self.below


@dataclass(frozen=True)
class Layout:
    """Boxes by name, and for each arrow the points it passes, from dependant to dependency."""

    width: int
    height: int
    boxes: Mapping[str, tuple[int, int, int, int]]
    """Left, top, width and height."""
    arrows: Sequence[Sequence[Point]]


def lay_out(sizes: Mapping[str, Size], depends_on: Mapping[str, Sequence[str]]) -> Layout:
    """Place boxes of the given sizes. `depends_on` holds no circle."""
    boxes = {name: Node(name, *size) for name, size in sizes.items()}
    rows, chains = _rows(boxes, depends_on)
    _order(rows)
    _align(rows)
    height = _stack(rows)
    left, right = _extent(rows)
    for row in rows:
        for node in row:
            node.x = round(node.x - left) + _MARGIN
    return Layout(
        round(right - left) + 2 * _MARGIN,
        height,
        {n: (round(b.x) - b.width // 2, b.y, b.width, b.height) for n, b in boxes.items()},
        [_points(chain) for chain in chains],
    )


def _rows(
    boxes: Mapping[str, Node], depends_on: Mapping[str, Sequence[str]]
) -> tuple[list[list[Node]], list[list[Node]]]:
    """Put each box above all it depends on; returns the rows, and the nodes of each arrow.

    Boxes without any arrow come last, in rows of their own.
    """
    most = max(4, ceil(sqrt(1.5 * len(boxes))))
    joined = {name for name, others in depends_on.items() for name in (name, *others) if others}
    alone = [boxes[name] for name in sorted(depends_on) if name not in joined]
    levels: list[list[Node]] = []
    level_of: dict[str, int] = {}
    for name in _dependencies_first({name: depends_on[name] for name in joined}):
        level = 1 + max((level_of[other] for other in depends_on[name]), default=-1)
        while level < len(levels) and len(levels[level]) >= most:
            level += 1
        levels += [[] for _ in range(level + 1 - len(levels))]
        levels[level].append(boxes[name])
        level_of[name] = level
    chains = []
    for name, others in depends_on.items():
        for other in others:
            passed = range(level_of[name] - 1, level_of[other], -1)
            bends = [Node("", 0, 0) for _ in passed]
            for level, bend in zip(passed, bends, strict=True):
                levels[level].append(bend)
            chain = [boxes[name], *bends, boxes[other]]
            for upper, lower in pairwise(chain):
                upper.below.append(lower)
                lower.above.append(upper)
            chains.append(chain)
    rest = [alone[start : start + most] for start in range(0, len(alone), most)]
    return levels[::-1] + rest, chains


def _dependencies_first(depends_on: Mapping[str, Sequence[str]]) -> list[str]:
    """All names by depth, those of one depth by name."""
    depths: dict[str, int] = {}

    def depth(name: str) -> int:
        if name not in depths:
            depths[name] = 1 + max((depth(other) for other in depends_on[name]), default=0)
        return depths[name]

    return sorted(depends_on, key=lambda name: (depth(name), name))


def _order(rows: list[list[Node]]) -> None:
    """Order each row by where its neighbours stand; keep the best of several sweeps."""
    best, fewest = [list(row) for row in rows], _crossings(rows)
    for sweep in range(_SWEEPS // 5):
        down = sweep % 2 == 0
        for index in range(len(rows)) if down else reversed(range(len(rows))):
            beside = index - 1 if down else index + 1
            if 0 <= beside < len(rows):
                place = {node: position for position, node in enumerate(rows[beside])}
                wanted = {
                    node: _mean([place[n] for n in (node.above if down else node.below)], position)
                    for position, node in enumerate(rows[index])
                }
                rows[index].sort(key=wanted.__getitem__)
        crossings = _crossings(rows)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    rows[:] = best


def _crossings(rows: Sequence[Sequence[Node]]) -> int:
    """How often arrows cross between neighbouring rows."""
    count = 0
    for upper, lower in pairwise(rows):
        place = {node: position for position, node in enumerate(lower)}
        seen: list[int] = []
        for node in upper:
            ends = sorted(place[other] for other in node.below)
            count += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return count


def _align(rows: Sequence[Sequence[Node]]) -> None:
    """Move nodes sideways so that arrows are short and straight, keeping the order of each row.

    Each step makes the sum of squared lengths smaller, so that it comes to rest.
    """
    for row in rows:
        _place(row, [(0, 1)] * len(row))
    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 else reversed(rows):
            if row[0].arrows:
                _place(row, [_wish(node) for node in row])
    left, right = _extent([row for row in rows if row[0].arrows])
    for row in rows:
        if not row[0].arrows:
            _place(row, [((left + right) / 2, 1)] * len(row))


def _wish(node: Node) -> tuple[float, float]:
    """Where a node would like to stand, and how much. Long arrows want to be straight most."""
    pulls = [(other.x, (1, 2, 8)[(not node.name) + (not other.name)]) for other in node.arrows]
    weight = sum(pull for _, pull in pulls)
    return fsum(x * pull for x, pull in pulls) / weight, weight


def _extent(rows: Sequence[Sequence[Node]]) -> tuple[float, float]:
    """The left and the right edge of all that stands in the rows."""
    nodes = [node for row in rows for node in row]
    left = min((node.x - node.width / 2 for node in nodes), default=0)
    return left, max((node.x + node.width / 2 for node in nodes), default=0)


def _place(row: Sequence[Node], wishes: Sequence[tuple[float, float]]) -> None:
    """Set each x as near to where it is wished as the widths of the others allow."""
    offsets = [0.0]
    for left, right in pairwise(row):
        gap = _GAP if left.name or right.name else _BETWEEN_ARROWS
        offsets.append(offsets[-1] + (left.width + right.width) / 2 + gap)
    blocks: list[tuple[float, float, int]] = []  # Nodes that touch: mean wish, weight, how many.
    for (x, weight), offset in zip(wishes, offsets, strict=True):
        start, count = x - offset, 1
        while blocks and blocks[-1][0] >= start:
            other, its_weight, its_count = blocks.pop()
            start = (start * weight + other * its_weight) / (weight + its_weight)
            weight, count = weight + its_weight, count + its_count
        blocks.append((start, weight, count))
    starts = [start for start, _, count in blocks for _ in range(count)]
    for node, start, offset in zip(row, starts, offsets, strict=True):
        node.x = start + offset


def _stack(rows: Sequence[Sequence[Node]]) -> int:
    """Set each y; returns the height of the picture."""
    least, most = _BETWEEN_ROWS
    y = bottom = _MARGIN
    for row in rows:
        bottom = y + max(node.height for node in row)
        for node in row:
            node.y, node.floor = y, bottom
        swing = max((abs(node.x - other.x) for node in row for other in node.below), default=0)
        y = bottom + (round(min(most, max(least, swing / 4))) if row[0].arrows else _GAP)
    return bottom + _MARGIN


def _points(chain: Sequence[Node]) -> list[Point]:
    """Where an arrow starts, and by turns leaves a row and enters the next."""
    first = chain[0]
    points = [(_port(first, first.below, chain[1]), first.y + first.height)]
    for upper, lower in pairwise(chain):
        points.append((_port(upper, upper.below, lower), upper.floor))
        points.append((_port(lower, lower.above, upper), lower.y))
    return points


def _port(node: Node, others: Sequence[Node], other: Node) -> int:
    """Where on the edge of a box the arrow to or from another node stands."""
    position = sorted(others, key=lambda each: each.x).index(other)
    step = min(_BETWEEN_PORTS, 0.8 * node.width / len(others))
    return round(node.x + (position - (len(others) - 1) / 2) * step)


def _mean(values: Sequence[int], otherwise: int) -> float:
    return sum(values) / len(values) if values else otherwise
