"""Comparisons: ours beside what others use, installed and run here, as ratios of one run.

    make bench              all of them, and docs/benchmarks.md from what they found
    make bench only=jobs    one of them

Each file that is named in `COMPARISONS` is one: its docstring says what is compared, its `measure`
does it. What was found stays in `bench/results/`, and the page is written from that.
"""

COMPARISONS = (
    "generate",
    "green",
    "update",
    "doctor",
    "fleet",
    "walls",
    "edge",
    "signals",
    "startup",
    "jobs",
    "calls",
    "own_database",
    "move_data",
    "asserted",
)
