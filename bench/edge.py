"""One authenticated SELECT per request, in ours and in other stacks.

The example's `GET /identity/customers/{id}`: default-deny authentication, the boundary of a module,
its role, a transaction with a time limit, logs, metrics and traces, beside the same SELECT in a
transaction of

- FastAPI on a pool of asyncpg's, which verifies no token (the bound's other side), with that pool's
  reset of a connection and without,
- Starlette and FastAPI on asyncpg, with a token verified by PyJWT,
- the stack of full-stack-fastapi-template: SQLModel and psycopg, in threads,
- the stack of litestar-fullstack: Litestar, Advanced Alchemy and psycopg.

All under uvicorn, one process each, eight connections, in rounds of 0.7 s that alternate.
"""

from .installing import python, versions
from .measuring import folder, inside, progress, shop
from .results import Found, Plot, Table

PACKAGES = (
    "starlette", "fastapi", "uvicorn[standard]", "asyncpg", "pyjwt", "sqlmodel", "psycopg[binary]",
    "litestar", "advanced-alchemy",
)  # fmt: skip
NAMES = {
    "bare": "FastAPI + asyncpg, no token",
    "bare, no reset": "the same, no reset",
    "starlette": "Starlette + asyncpg",
    "fastapi": "FastAPI + asyncpg",
    "sqlmodel": "full-stack-fastapi-template's",
    "litestar": "litestar-fullstack's",
    "ours, no signals": "ours, no telemetry",
    "ours": "ours",
}


def measure() -> Found:
    peers = python("stacks", *PACKAGES)
    with folder() as work:
        progress("  generating the example")
        found = inside("edge.py", shop(work / "shop", "--example"), str(peers / "python"))
    rates, costs, ratios = found["rates"], found["costs"], found["ratios"]
    rows = [
        [shown, rates[name], ratios[name], costs[name], found["memory"][name]]
        for name, shown in NAMES.items()
    ]
    columns = ["one SELECT over HTTP", "requests/s", "ours to it", "CPU µs", "MB"]
    installed = versions(peers, *(each.partition("[")[0] for each in PACKAGES))
    return (
        [Table("One authenticated SELECT per request", columns, rows)],
        Plot(
            "One authenticated SELECT",
            "requests per second",
            [(shown, rates[name], name.startswith("ours")) for name, shown in NAMES.items()],
        ),
        {"bare": ratios["bare"], "bare, CPU": costs["bare"] / costs["ours"]},
        [
            f"Peers: {installed}. litestar-fullstack itself runs under granian.",
            "Ours remembers a token that it has verified for a minute; the others verify it each"
            " time, as their templates do, which costs them some 30 µs.",
            "We lose to asyncpg without anything around it. What ours does more: metrics, time,"
            " limits, access and headers; a transaction that says its role and its time limit; a"
            " session that any ORM statement could use. `docs/adr/0072-where-speed-ends.md` has"
            " the parts, and what it would cost to save them.",
        ],
    )
