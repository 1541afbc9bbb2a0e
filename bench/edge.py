"""What the edge costs: one SELECT through everything, beside FastAPI on asyncpg with nothing else.

    python bench/edge.py

Generates the example, and measures inside it (see `bench/inside/edge.py`). Ratios of one run count;
the absolute numbers are those of the machine.
"""

from boundary import measure

if __name__ == "__main__":
    measure("edge.py", "--example")
