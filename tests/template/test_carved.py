"""Billing carved out of the example: the change that its bill suggests (`carved/carved.patch`).

Where the example has changed so that the patch does not apply, make its edits in a shop of
`scaffold new --example`, and write `git add --intent-to-add . && git diff` into it.
"""

import json
import os
import re
import shutil
import signal
from pathlib import Path

import pytest
from generated import Generate, Repository, scaffold
from running import call, eventually, running
from shops import Shop

HERE = Path(__file__).parent
BILLING = "src/app/modules/billing"
WRONG = """
from app.modules.billing import Billing
from app.platform.database import Database
from app.platform.wiring import Wired


async def test_it_pays(wired: Wired, db: Database) -> None:
    async with db.transaction() as tx:
        await wired[Billing].record_payment(tx, uuid4(), Decimal(10))


async def test_it_charges(wired: Wired) -> None:
    assert await wired[Billing].charge("ada", uuid4(), uuid4(), Decimal(10)) is None
"""

pytestmark = [pytest.mark.carved, pytest.mark.slow]


@pytest.fixture(scope="module")
def carved(generate: Generate) -> Repository:
    shop = generate(example=True)
    shop.git("apply", str(HERE / "carved/carved.patch"))
    shop.commit("Take tx out of what ordering calls of billing")
    return shop


def test_its_bill_is_clean_and_so_is_its_check(carved: Repository) -> None:
    assert json.loads(scaffold("carve", "billing", "--bill", "--json", cwd=carved.path))["clean"]
    carved.check()


def test_the_same_tests_pass_with_billing_in_this_process_and_in_another(
    carved: Repository,
) -> None:
    local, remote = (passed(carved.make("test", *more)) for more in ((), ("remote=billing",)))
    assert local == remote > 100


def test_what_a_test_hears_of_the_other_process(carved: Repository) -> None:
    test = carved.path / "src/app/modules/ordering/tests/test_wrong.py"
    test.write_text(f"from decimal import Decimal\nfrom uuid import uuid4\n{WRONG}")
    said = carved.make("test", "remote=billing", f"only={test}", check=False)
    test.unlink()
    assert "2 failed" in said
    assert "billing.record_payment joins its caller's transaction, and billing runs in" in said
    assert "log of --remote" in said
    assert "POST /_modules/billing/charge 200" in said
    said = carved.make("test", "remote=shipping", check=False)
    assert "there is no module shipping. There are billing, catalog, identity, ordering." in said


def test_a_developer_runs_it_beside_the_others(carved: Repository, tmp_path: Path) -> None:
    log = tmp_path / "log"
    without = {k: v for k, v in carved.environment.items() if k != "DATABASE_URL"}
    developer = Repository(carved.path, without)
    with running(developer, log, "--remote", "billing") as (process, address):
        port = int(address.rpartition(":")[2])
        eventually(lambda: "billing | " in log.read_text() and "/_dev" in log.read_text())
        [beside] = re.findall(r"billing \| Open http://127.0.0.1:(\d+)/_dev", log.read_text())
        assert int(beside) > port
        eventually(lambda: call(f"http://127.0.0.1:{beside}/readyz")[0] == 200, 90)
        shop = Shop(developer, address)
        assert shop.order(2)
        assert shop.get("/billing/accounts/x") == 404  # It serves its own.
        asked = r"billing \| .* POST /_modules/billing/charge 200"
        eventually(lambda: re.search(asked, log.read_text()))
        os.killpg(process.pid, signal.SIGINT)  # As Ctrl-C.
        assert process.wait(timeout=60) in (0, 130, -signal.SIGINT)
    eventually(lambda: call(f"http://127.0.0.1:{beside}/readyz")[0] == 0)
    refused = carved.run(".venv/bin/app", "dev", "--remote", "shipping", check=False)
    assert (refused.returncode, refused.stdout.count("\n")) == (1, 1)
    assert "there is no module shipping" in refused.stdout


def test_whatever_dies_when_no_order_is_lost_nor_charged_twice(carved: Repository) -> None:
    for name in ("shop", "carved"):
        folder = carved.path / "tests" / name
        folder.mkdir()
        (folder / "__init__.py").touch()
        for file in (HERE / name).glob("*.py"):
            shutil.copy(file, folder)
    assert passed(carved.pytest("tests/carved").stdout)


def passed(said: str) -> int:
    """Return how many tests passed, where all did."""
    found = re.search(r"(\d+) passed", said)
    assert found, said
    assert "failed" not in said
    return int(found[1])
