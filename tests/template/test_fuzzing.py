"""The example's API, called in every way that its own description allows, and in some it does not:
by what is made of the description."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from generated import UV, Generate, Repository
from running import bearer, running

CALLER = """
import sys
from uuid import uuid4

from httpx import Timeout
from shop_client import AuthenticatedClient
from shop_client.api.catalog import add_product, get_product, list_products
from shop_client.models import NewProduct, ProblemDetails, Product, ProductPage

address, token = sys.argv[1:]
patience = Timeout(60)
client = AuthenticatedClient(address, token=token, timeout=patience, raise_on_unexpected_status=True)
new = NewProduct(name="Teapot", price="1.50", sku=uuid4().hex.upper())
made = add_product.sync(client=client, body=new)
assert isinstance(made, Product), made
assert get_product.sync(client=client, id=made.id) == made
page = list_products.sync(client=client, limit=1)
assert isinstance(page, ProductPage) and len(page.items) == 1, page
taken = add_product.sync(client=client, body=new)
assert isinstance(taken, ProblemDetails) and taken.status == 409, taken
wrong = list_products.sync(client=client, limit=0)
assert isinstance(wrong, ProblemDetails), wrong
assert [each.location for each in wrong.errors] == ["query.limit"]
stranger = AuthenticatedClient(address, token="none", timeout=patience)
refused = add_product.sync(client=stranger, body=new)
assert isinstance(refused, ProblemDetails) and refused.status == 401, refused
"""
PATIENT = ("--request-timeout", "60")
SCOPES = ("billing:write", "catalog:write", "identity:write", "orders:ship")


@pytest.fixture(scope="module")
def example(generate: Generate) -> Iterator[tuple[Repository, str, dict[str, str]]]:
    """A running example, its address, and headers of somebody who may do everything there."""
    shop = generate(example=True)
    shop.environment = {k: v for k, v in shop.environment.items() if k != "DATABASE_URL"}
    shop.environment["RATE_LIMIT"] = "100000"  # One caller sends all there is.
    shop.run(UV, "sync", "--quiet")
    with running(shop) as (_process, url):
        yield shop, url, bearer(shop, *SCOPES)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ("--phases", "coverage,fuzzing"),
        # It takes `next` on the last page, which is null, for the id of an order called None.
        ("--phases", "stateful", "--exclude-checks", "positive_data_acceptance"),
    ],
    ids=["each", "one-after-the-other"],
)
def test_no_request_breaks_the_example_or_its_description(
    example: tuple[Repository, str, dict[str, str]], options: list[str], tmp_path: Path
) -> None:
    _shop, url, headers = example
    options = [*options, *(part for h in headers.items() for part in ("--header", ": ".join(h)))]
    command = (sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", *options)
    done = subprocess.run(
        [*command, "--max-examples", "15", "--seed", "1", "--no-color", *PATIENT],
        text=True,
        capture_output=True,
        timeout=600,
        cwd=tmp_path,  # It leaves notes there.
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout


@pytest.mark.slow
def test_a_typed_client_is_made_of_the_description_and_calls_the_example(
    example: tuple[Repository, str, dict[str, str]],
) -> None:
    shop, url, headers = example
    said = [shop.make("client") for _ in range(2)]  # The second replaces the first.
    assert "unable" not in "".join(said).lower()
    (shop.path / "dist" / "caller.py").write_text(CALLER)
    token = headers["Authorization"].removeprefix("Bearer ")
    client = ("run", "--quiet", "--no-project", "--with", "dist/client")
    shop.run(UV, *client, "python", "dist/caller.py", url, token)
    refused = shop.run("make", "client", "out=docs", check=False)
    assert refused.returncode == 2
    assert "docs is there already, and is no shop-client: say out=FOLDER." in refused.stdout
    assert shop.changes() == []
