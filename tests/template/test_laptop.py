"""Everything at once on a developer's machine, with nothing installed but Python."""

import json
from itertools import count
from pathlib import Path

from generated import UV, Generate
from running import bearer, call, eventually, running

FLAGS = "src/app/modules/ordering/flags.json"


def test_app_dev_runs_web_worker_clock_and_flags(generate: Generate, tmp_path: Path) -> None:
    shop = generate(example=True)
    shop.add_module("reviews", "--entity", "review", "--depends-on", "catalog")
    shop.environment = {k: v for k, v in shop.environment.items() if k != "DATABASE_URL"}
    shop.replace("src/app/modules/billing/jobs.py", 'cron="0 3 * * *"', 'cron="* * * * *"')
    shop.run(UV, "sync", "--quiet")
    log = tmp_path / "log"
    numbers = count()
    with running(shop, log) as (_, url):
        headers = bearer(shop, "catalog:write", "orders:ship")

        def post(path: str, **body: object) -> dict[str, object]:
            status, answer = call(url + path, body, headers)
            assert status < 300, answer
            return dict(json.loads(answer))

        def order() -> object:
            """Order ten pieces of a new product for a new customer; return what one costs then."""
            number = next(numbers)
            email = f"ada{number}@example.org"
            customer = post("/identity/customers", email=email, name="Ada")
            pot = post("/catalog/products", sku=f"POT{number}", name="Pot", price="10.00")
            post(f"/catalog/products/{pot['id']}/deliveries", quantity=10)
            line = {"product_id": pot["id"], "quantity": 10}
            placed = post("/ordering/orders", customer_id=customer["id"], lines=[line])
            [ordered] = placed["lines"]  # type: ignore[misc]
            return ordered["unit_price"]

        shop.replace(FLAGS, '[["on", 10], ["off", 90]]', '[["on", 0], ["off", 100]]')
        eventually(lambda: order() == "10.00")
        shop.replace(FLAGS, '[["on", 0], ["off", 100]]', '[["on", 100], ["off", 0]]')
        eventually(lambda: order() == "9.50")

        # Billing's event, a job, opens shipments.
        shipments = f"{url}/ordering/shipments"
        eventually(lambda: json.loads(call(shipments, headers=headers)[1])["items"])
        # A route of the module that was added enqueues its job.
        review = f"{url}/reviews/{post('/reviews', name='Pours well')['id']}"
        eventually(lambda: json.loads(call(review, headers=headers)[1])["ready_at"])
        # The clock asks for it every minute.
        eventually(lambda: "billing.audit_ledger done" in log.read_text("utf-8"), seconds=180)
