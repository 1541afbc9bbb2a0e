"""What a second database costs a service, to which the data of its module may move.

One SELECT over HTTP, of a process that knows one database; of one that knows two, whose data are in
the main one still; and of one whose data have moved. In rounds that alternate.
"""

from .measuring import folder, inside, progress, shop
from .results import Found, Plot, Table


def measure() -> Found:
    with folder() as work:
        progress("  generating the example")
        found = inside("own_database.py", shop(work / "shop", "--example"))
    rates, costs, ratios = found["rates"], found["costs"], found["ratios"]
    rows = [[name, rates[name], ratios[name], costs[name]] for name in rates]
    return (
        [Table("One SELECT, of a service", ["", "requests/s", "one to it", "CPU µs"], rows)],
        Plot(
            "A second database",
            "requests per second",
            [(name, rate, True) for name, rate in rates.items()],
        ),
        {"overhead": max(ratios.values())},
        [],
    )
