"""Flags in the example shop: listed, overridden, and changed while it runs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from generated import UV, Repository
from running import bearer, call, eventually, running

FILE = "src/app/modules/ordering/flags.json"
KEY = "ordering.volume_discount"


@pytest.fixture
def shop(example: Repository) -> Iterator[Repository]:
    """The example with a Postgres of its own, put back to what it was after the test."""
    environment = {k: v for k, v in example.environment.items() if k != "DATABASE_URL"}
    shop = Repository(example.path, environment)
    shop.run(UV, "sync", "--quiet")
    yield shop
    shop.git("checkout", "--quiet", FILE)


def app(shop: Repository, *arguments: str, **environment: str) -> tuple[int, str]:
    changed = Repository(shop.path, {**shop.environment, **environment})
    done = changed.run(str(shop.path / ".venv/bin/app"), *arguments, check=False)
    return done.returncode, done.stdout


def edit(shop: Repository, **changes: object) -> None:
    content = json.loads(shop.read(FILE))
    content["flags"]["volume_discount"].update(changes)
    (shop.path / FILE).write_text(json.dumps(content, indent=2))


def test_they_are_listed_with_owner_and_expiry(shop: Repository) -> None:
    edit(shop, metadata={"description": "New.", "expires": "2999-06-30"})
    code, printed = app(shop, "flags")
    assert (code, printed.split()) == (
        0,
        [KEY, "targeted", "expires", "2999-06-30", "@acme/checkout"],
    )
    [listed] = json.loads(app(shop, "flags", "--json")[1])
    assert (listed["key"], listed["state"], listed["expired"]) == (KEY, "targeted", False)


def test_the_expired_ones_can_be_asked_for(shop: Repository) -> None:
    edit(shop, metadata={"description": "New.", "expires": "2999-06-30"})
    assert app(shop, "flags", "--expired") == (0, "No flag has expired.\n")
    edit(shop, metadata={"description": "Old.", "expires": "2020-01-31"})
    code, printed = app(shop, "flags", "--expired")
    assert code == 1
    assert "expired 2020-01-31" in printed


def test_what_overrides_them_is_listed(shop: Repository, tmp_path: Path) -> None:
    overrides = tmp_path / "flags.json"
    overrides.write_text(json.dumps({"flags": {KEY: {"state": "DISABLED"}}}))
    [listed] = json.loads(app(shop, "flags", "--json", FLAGS_FILE=str(overrides))[1])
    assert listed["state"] == "off"


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_nothing_starts_with_flags_that_cannot_be_read(
    shop: Repository, tmp_path: Path, command: str
) -> None:
    broken = tmp_path / "flags.json"
    settings = {
        "ENVIRONMENT": "development",
        "DATABASE_URL": "postgresql://a:b@127.0.0.1:1/c",
        "FLAGS_FILE": str(broken),
    }
    code, missing = app(shop, command, **settings)
    assert (code, missing) == (1, "app: FLAGS_FILE: Path does not point to a file\n")
    broken.write_text("{")
    code, malformed = app(shop, command, **settings)
    assert code == 1
    assert malformed.startswith(f"app: {broken} cannot be read as JSON: ")
    assert malformed.count("\n") == 1


def test_a_change_shows_while_app_dev_runs(shop: Repository) -> None:
    with running(shop) as (process, url):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        before = children.read_text()
        token = bearer(shop, "catalog:write")
        ada, tea = prepare(url, token)
        edit(shop, targeting={})
        eventually(lambda: total(url, token, ada, tea) == "10.00")
        edit(shop, defaultVariant="on")
        eventually(lambda: total(url, token, ada, tea) == "9.50")
        edit(shop, targeting={"if": [{"in": [{"var": "targetingKey"}, ["Eve"]]}, "on", "off"]})
        eventually(lambda: total(url, token, ada, tea) == "10.00")
        assert children.read_text() == before


def prepare(url: str, token: dict[str, str]) -> tuple[str, str]:
    """Register a customer and stock a product at 1.00; return their ids."""
    made = []
    for path, body in (
        ("identity/customers", {"email": "ada@flags.example", "name": "Ada"}),
        ("catalog/products", {"sku": "FLAG", "name": "Tea", "price": "1.00"}),
    ):
        status, answer = call(f"{url}/{path}", body, token)
        assert status == 201, answer
        made.append(json.loads(answer)["id"])
    call(f"{url}/catalog/products/{made[1]}/deliveries", {"quantity": 1000}, token)
    return made[0], made[1]


def total(url: str, token: dict[str, str], customer: str, product: str) -> object:
    """Order ten; return what they cost."""
    body = {"customer_id": customer, "lines": [{"product_id": product, "quantity": 10}]}
    status, answer = call(f"{url}/ordering/orders", body, token)
    assert status == 201, answer
    return json.loads(answer)["total"]
