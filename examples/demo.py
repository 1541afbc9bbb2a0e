"""The main job, end to end: generate a shop, add a module, run it, call it, stop it.

    python examples/demo.py FOLDER

FOLDER must not exist yet; the shop stays there for you to try. What the server logs stands in
FOLDER.log.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

ROOT = Path(__file__).parents[1]
UV = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
SECONDS_TO_START = 180
SECONDS_TO_DELIVER = 30
HEADERS = {"Content-Type": "application/json"}
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{8}([0-9a-f]{4})")

# What reviews would do if it read catalog's table instead of calling catalog.
TRESPASS = """
import asyncio
from sqlalchemy import text
from app.platform.database import Database
from app.platform.database import BoundaryError, create_engine
from app.development.database import development_settings

async def trespass(settings):
    engine = create_engine(settings)
    try:
        async with Database(engine, "reviews").transaction() as tx:
            await tx.execute(text("SELECT * FROM catalog.products"))
    except BoundaryError as refused:
        print("   ", refused.__cause__)
        print("   ", refused)
    else:
        raise SystemExit("Postgres let reviews read catalog's table!")
    finally:
        await engine.dispose()

with development_settings() as settings:
    asyncio.run(trespass(settings))
"""


def main() -> None:
    """Run the demo, or say in one sentence why it cannot."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    shop = Path(sys.argv[1]).resolve()
    if shop.exists():
        sys.exit(f"{shop} exists already: remove it, or choose another with `make demo DEMO=…`.")
    shop.parent.mkdir(parents=True, exist_ok=True)
    os.environ.pop("VIRTUAL_ENV", None)
    os.environ.pop("DATABASE_URL", None)
    if subprocess.run(["git", "var", "GIT_AUTHOR_IDENT"], capture_output=True).returncode:
        for who in ("AUTHOR", "COMMITTER"):
            os.environ[f"GIT_{who}_NAME"] = "Demo"
            os.environ[f"GIT_{who}_EMAIL"] = "demo@example.org"

    say("Generate a shop from the worked example: identity, catalog, billing, ordering")
    run("scaffold", "new", str(shop), "--example", "--defaults")

    say("Add the module reviews, which calls catalog")
    command = ("add-module", "reviews", "--entity", "review", "--depends-on", "catalog")
    run("scaffold", *command, cwd=shop)

    port = free_port()
    say(f"Start it: make dev port={port}")
    log = shop.with_name(f"{shop.name}.log")
    print(f"    its log: {log}")
    with log.open("wb") as said:
        server = subprocess.Popen(
            ["make", "dev", f"port={port}"],
            cwd=shop,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(server, f"http://127.0.0.1:{port}", log)
        use(shop, f"http://127.0.0.1:{port}")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)

    say("Everything is stopped. The shop is yours to try:")
    print(f"    cd {shop}")
    print("    make test               the tests of all five modules")
    print("    make dev                run it again, then open http://127.0.0.1:8000/_dev")
    print("    .venv/bin/app map       the modules and what they depend on")
    print("    src/app/modules/ordering/service.py   is a good place to begin reading")


def wait_for(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Return when the server can serve, or show what it logged last."""
    deadline = time.monotonic() + SECONDS_TO_START
    while not answers(f"{url}/readyz"):
        why = "stopped at once" if server.poll() is not None else ""
        if time.monotonic() > deadline:
            why = f"was not ready within {SECONDS_TO_START} s"
        if why:
            print(*log.read_text("utf-8", "replace").splitlines()[-30:], sep="\n")
            sys.exit(f"The server {why}: see above.")
        time.sleep(0.2)


def use(shop: Path, url: str) -> None:
    """Call the running shop."""
    say("Nobody comes in without a token")
    assert call(f"{url}/ordering/orders")["status"] == 401
    ours = token(shop, "--scope", "catalog:write", "--scope", "orders:ship")
    HEADERS["Authorization"] = ours

    say("A customer registers; three teapots arrive")
    ada = call(f"{url}/identity/customers", {"email": "ada@example.org", "name": "Ada"})
    pot = call(f"{url}/catalog/products", {"sku": "POT", "name": "Teapot", "price": "450.00"})
    call(f"{url}/catalog/products/{pot['id']}/deliveries", {"quantity": 3})

    say("She orders two: one transaction reserves them, charges her account, confirms the order")
    two = {"customer_id": ada["id"], "lines": [{"product_id": pot["id"], "quantity": 2}]}
    order = call(f"{url}/ordering/orders", two)
    assert call(f"{url}/ordering/orders/{order['id']}") == order
    say("Billing's event, a job in the queue, opens a shipment")
    for _ in range(SECONDS_TO_DELIVER):
        if shipments := call(f"{url}/ordering/shipments")["items"]:
            break
        time.sleep(1)
    assert [shipment["order_id"] for shipment in shipments] == [order["id"]]

    say("To somebody else, the order does not exist")
    HEADERS["Authorization"] = token(shop, "--subject", "eve")
    assert call(f"{url}/ordering/orders/{order['id']}")["status"] == 404
    HEADERS["Authorization"] = ours

    say("The third is beyond her limit of 1,000: declined, and nothing of it has happened")
    one = {"customer_id": ada["id"], "lines": [{"product_id": pot["id"], "quantity": 1}]}
    assert call(f"{url}/ordering/orders", one)["status"] == 409
    assert call(f"{url}/catalog/products/{pot['id']}")["stock"] == 1
    assert call(f"{url}/billing/accounts/{ada['id']}")["owed"] == "900.00"

    say("The new module answers, too")
    created = call(f"{url}/reviews", {"name": "Pours well"})
    assert call(f"{url}/reviews/{created['id']}")["name"] == "Pours well"

    say("Read catalog's table as reviews: Postgres refuses")
    run(
        UV,
        "run",
        "--quiet",
        "python",
        "-c",
        TRESPASS,
        cwd=shop,
        shown="SELECT * FROM catalog.products",
    )


def token(shop: Path, *options: str) -> str:
    """Return what a request says of who sends it."""
    print("   $ .venv/bin/app token", *options)
    command = (shop / ".venv/bin/app", "token", *options)
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return f"Bearer {printed.strip()}"


def say(step: str) -> None:
    print(f"\n==> {step}", flush=True)


def run(*command: str, cwd: Path | None = None, shown: str | None = None) -> None:
    print("   $", shown or " ".join(command), flush=True)
    if subprocess.run(command, cwd=cwd).returncode:
        sys.exit(f"The demo stopped: {command[0]} failed, see above.")


def call(url: str, body: dict[str, Any] | None = None) -> Any:
    """POST the body, or GET without one; return the answer, refusals too, and show both."""
    data = json.dumps(body).encode() if body else None
    path = urlsplit(url).path
    print("   $", short(f"POST {path} {json.dumps(body)}" if body else f"GET {path}"), flush=True)
    try:
        answer = urlopen(Request(url, data, HEADERS), timeout=10)
    except HTTPError as refused:
        answer = refused
    with answer:
        received = json.load(answer)
    print("   ", short(json.dumps(received)), flush=True)
    return received


def short(text: str) -> str:
    """Show no more of an id than tells it from the others."""
    return UUID.sub(r"…\2", text)


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5):
            return True
    except (HTTPError, URLError, OSError):
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
