"""Tables for a terminal and for a page, from the same cells."""

import re
from collections.abc import Sequence

Cell = str | float | int | None
BAR = re.compile(r"(?<!\\)\|")


def shown(cell: Cell) -> str:
    """Three digits that count, and no more than two behind the point."""
    if cell is None:
        return "-"
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int) or cell == 0 or abs(cell) >= 100:
        return f"{cell:,.0f}"
    return f"{cell:.1f}" if abs(cell) >= 10 else f"{cell:.2f}"


def as_text(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    lines = [list(columns), *([shown(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    right = numeric(rows)
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def as_markdown(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    rule = ["---:" if number else "---" for number in numeric(rows)]
    cells = ([BAR.sub(r"\|", shown(cell)) for cell in row] for row in rows)
    lines = [columns, rule, *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def numeric(rows: Sequence[Sequence[Cell]]) -> list[bool]:
    """Say of each column whether it holds numbers."""
    return [
        any(not isinstance(cell, str | None) for cell in column)
        for column in zip(*rows, strict=True)
    ]
