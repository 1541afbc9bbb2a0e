"""What a call costs: of a function, through the boundary, of another process, and by bare httpx.

    python bench/remote.py

Generates a shop, and measures inside it (see `bench/inside/remote.py`). Ratios of one run count;
the absolute numbers are those of the machine.
"""

from boundary import measure

if __name__ == "__main__":
    measure("remote.py")
