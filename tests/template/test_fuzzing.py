"""The example's API, called in every way that its own description allows, and in some it does not."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from generated import UV, Generate
from running import bearer, running

SCOPES = ("billing:write", "catalog:write", "identity:write", "orders:ship")


@pytest.fixture(scope="module")
def example(generate: Generate) -> Iterator[tuple[str, dict[str, str]]]:
    """The address of a running example, and headers of somebody who may do everything there."""
    shop = generate(example=True)
    shop.environment = {k: v for k, v in shop.environment.items() if k != "DATABASE_URL"}
    shop.environment["RATE_LIMIT"] = "100000"  # One caller sends all there is.
    shop.run(UV, "sync", "--quiet")
    with running(shop) as (_process, url):
        yield url, bearer(shop, *SCOPES)


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
    example: tuple[str, dict[str, str]], options: list[str], tmp_path: Path
) -> None:
    url, headers = example
    options = [*options, *(part for h in headers.items() for part in ("--header", ": ".join(h)))]
    command = (sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", *options)
    done = subprocess.run(
        [*command, "--max-examples", "15", "--seed", "1", "--no-color"],
        text=True,
        capture_output=True,
        timeout=300,
        cwd=tmp_path,  # It leaves notes there.
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout
