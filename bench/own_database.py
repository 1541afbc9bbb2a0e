"""What a second database costs, to which a module's data may move: one SELECT through everything.

    python bench/own_database.py

Generates the example, and measures inside it (see `bench/inside/own_database.py`). Ratios of one
run count; the absolute numbers are those of the machine.
"""

from boundary import measure

if __name__ == "__main__":
    measure("own_database.py", "--example")
