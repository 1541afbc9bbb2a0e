"""The bill of a whole repository, with a database."""

import json
import subprocess
import sys

from generated import ROOT, Repository
from helpers import tree


def test_the_bill_has_the_sizes_of_tables_and_writes_nothing(example: Repository) -> None:
    example.run(str(example.path / ".venv/bin/app"), "migrate")
    before = tree(example.path)
    done = subprocess.run(
        [sys.executable, "-m", "scaffold", "carve", "billing", "--bill", "--json"],
        cwd=example.path,
        env={**example.environment, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    assert told["goes"]["unknown"] is None
    assert [(table["name"], table["rows"]) for table in told["goes"]["tables"]] == [
        ("accounts", 0),
        ("entries", 0),
    ]
    assert all(table["bytes"] >= 8192 for table in told["goes"]["tables"])
    assert not told["clean"]
    assert tree(example.path).keys() == before.keys()
