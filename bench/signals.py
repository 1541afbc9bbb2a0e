"""What logs, metrics and traces cost: one SELECT per request, with more and more of them.

    python bench/signals.py

Generates the example, and measures inside it (see `bench/inside/signals.py`). Ratios of one run
count; the absolute numbers are those of the machine.
"""

from boundary import measure

if __name__ == "__main__":
    measure("signals.py", "--example")
