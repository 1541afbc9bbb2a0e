"""What a call costs: of a function, through the boundary, and of another process.

A method of a module is called directly, through the boundary that every call between modules
passes, and in another process, as if the module had been carved out; beside that, httpx sends the
same bytes to a server that does nothing but answer the same bytes: no signature, no deadline, no
types. And a transaction with one SELECT says what a role costs.
"""

from .measuring import folder, inside, progress, shop
from .results import Found, Plot, Table

HOPS = 15
OURS = ("boundary", "boundary, with signals", "another process")


def measure() -> Found:
    with folder() as work:
        progress("  generating a repository")
        at = shop(work / "shop")
        boundary, remote = inside("boundary.py", at), inside("remote.py", at)["calls"]
    rows = [[name, p50, p99, HOPS * p50] for name, (p50, p99) in remote.items()]
    within = [
        [kind, direct, through, through - direct]
        for kind, (direct, through) in boundary["calls"].items()
    ]
    transactions = boundary["transactions"]
    bare = transactions["no role"]
    roles = [[name, median, median / bare] for name, median in transactions.items()]
    function, here, far = (
        remote[each][0] for each in ("function", "boundary, with signals", "another process")
    )
    figures = {
        "boundary": remote["boundary"][0] - function,
        "boundary, ns": max(each[3] for each in within[:2]),
        "role": transactions["role travels with BEGIN"] / bare,
        "remote": far / remote["bare httpx"][0],
    }
    return (
        [
            Table("A call, µs", ["", "p50", "p99", f"{HOPS} hops"], rows),
            Table(
                "The same within a process, ns", ["a call", "direct", "boundary", "between"], within
            ),
            Table("A transaction with one SELECT", ["", "µs", "ratio"], roles),
        ],
        Plot(
            "A call",
            "µs",
            [(n, v[0], n not in ("function", "bare httpx")) for n, v in remote.items()],
            True,
        ),
        figures,
        [
            f"A call to another process costs {far / here:,.0f} times one through the boundary:"
            " what a module gains by being carved out is not speed.",
            f"It costs {figures['remote']:.2f} of a bare one: what is more are the signature, the"
            " types of arguments and answer, the deadline and the signals.",
            "The first call of a module in a transaction makes the module's own session, which"
            " any statement of its own would need.",
        ],
    )
