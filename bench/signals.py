"""What logs, metrics and traces cost: one SELECT per request, with more and more of them.

The example's `GET /identity/customers/{id}` through everything that a request passes. "Off" counts,
logs and traces nothing, and nobody could switch it off like that. Lines go to a file, spans to a
collector that throws them away, in a process of its own.
"""

from .measuring import folder, inside, progress, shop
from .results import Found, Plot, Table


def measure() -> Found:
    with folder() as work:
        progress("  generating the example")
        found = inside("signals.py", shop(work / "shop", "--example"))
    rates, costs, faster, cheaper = (
        found[each] for each in ("rates", "costs", "faster", "cheaper")
    )
    rows = [[name, rates[name], faster[name], costs[name], cheaper[name]] for name in rates]
    columns = ["one SELECT over HTTP", "requests/s", "ratio", "CPU µs", "ratio of CPU"]
    return (
        [Table("One SELECT per request, with more and more signals", columns, rows)],
        Plot("Signals", "requests/s", [(name, rate, True) for name, rate in rates.items()]),
        {
            "sampled": cheaper["the same, 5 % traced"],
            "traced": cheaper["the same, all traced"],
        },
        [
            "Ratios are medians of the rounds' own: what else the machine does changes from one to"
            " the next. The processor's time says more where the machine has other work.",
            f"We lose {1 - cheaper['the same, all traced']:.0%} of what the processor could serve"
            " where everything is traced: OpenTelemetry's SDK takes 25 µs to encode a span"
            " (`docs/adr/0018-spans-are-begun-here-and-sent-by-the-sdk.md`). So 5 % is the rule.",
        ],
    )
