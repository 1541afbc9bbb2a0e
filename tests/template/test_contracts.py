"""A branch that breaks what main has published is refused, and hears which of its commits did."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from generated import ROOT, UV, Repository

sys.path.insert(0, str(ROOT / "template"))
try:
    from checks import history
    from checks.contracts.blame import culprits
    from checks.contracts.rendering import UnreadableCodeError
    from checks.contracts.rules import compare
finally:
    sys.path.pop(0)

BILLING = "src/app/modules/billing/__init__.py"
JOBS = "src/app/modules/billing/jobs.py"
SHOW = (".venv/bin/python", "-m", "checks.contracts", "--show")
CATALOG = "src/app/modules/catalog/__init__.py"


def check(shop: Repository, base: str = "main") -> tuple[int, list[str]]:
    done = shop.run(".venv/bin/python", "-m", "checks.contracts", base, check=False)
    assert "Traceback" not in done.stdout, done.stdout
    return done.returncode, done.stdout.splitlines()


def declare(shop: Repository, module: str, text: str) -> None:
    with (shop.path / f"src/app/modules/{module}/module.toml").open("a") as file:
        file.write(text)


def remove_method(shop: Repository, file: str, name: str) -> None:
    text = shop.read(file)
    start = text.index(f"    async def {name}(")
    end = re.compile(r"\n    async def |\n\n\n|\Z").search(text, start + 1)
    assert end is not None
    (shop.path / file).write_text(text[:start] + text[end.start() + 1 :])


@pytest.fixture(scope="module")
def shop(example: Repository) -> Repository:
    """A shop of which two modules are services. What is retired, v1.0.0 has said of billing only."""
    example.replace(CATALOG, "id: UUID) -> Product", "id: UUID, days: int = 1) -> Product")
    declare(example, "billing", '[service]\nbecause = "scaling"\n')
    declare(example, "billing", '[contract]\nretired = ["list_entries", "AlreadyCharged"]\n')
    example.commit("Retire two names")
    example.git("tag", "v1.0.0")
    declare(example, "catalog", '[service]\nbecause = "technology"\n')
    declare(example, "catalog", '[contract]\nretired = ["list_products"]\n')
    example.commit("Retire another one")
    return example


@pytest.fixture
def branch(shop: Repository) -> Iterator[Repository]:
    shop.git("checkout", "--quiet", "-b", "branch")
    yield shop
    shop.git("reset", "--quiet", "--hard")
    shop.git("checkout", "--quiet", "main")
    shop.git("branch", "--quiet", "-D", "branch")


def commit(shop: Repository, message: str) -> str:
    shop.commit(message)
    return f'{shop.git("log", "-1", "--format=%h").strip()} "{message}"'


def test_each_break_is_told_with_place_and_commit_and_the_rest_passes(branch: Repository) -> None:
    branch.replace(BILLING, "    limit: Decimal\n", "    limit: Decimal | None\n")
    no_limit = commit(branch, "Let accounts have no limit")
    branch.replace(BILLING, "    customer_id: UUID\n    amount: Decimal\n", "    amount: int\n")
    branch.replace(BILLING, "    amount: int\n", "    customer_id: UUID\n    amount: int\n")
    in_cents = commit(branch, "Charge in cents")
    # What may be: a field with a default, a method, an event; and what was retired goes.
    branch.replace(
        BILLING,
        "    amount: int\n",
        '    amount: int\n    currency: str = "EUR"\n\n\n@dataclass(frozen=True, slots=True)\n'
        "class Paid(Event):\n    customer_id: UUID\n",
    )
    branch.replace(BILLING, "UUID) -> Account", "UUID, at: datetime | None = None) -> Account")
    remove_method(branch, BILLING, "list_entries")
    commit(branch, "Say the currency")
    branch.replace(JOBS, "accounts_shown", "shown")
    renamed = commit(branch, "Call it shown")
    remove_method(branch, CATALOG, "list_products")
    branch.replace(CATALOG, "days: int = 1", "days: int = 2")

    code, said = check(branch)
    lines = {
        name: branch.read(file).splitlines().index(text) + 1
        for name, file, text in [
            ("limit", BILLING, "    limit: Decimal | None"),
            ("amount", BILLING, "    amount: int"),
            ("audit", JOBS, "class Audit:"),
            ("catalog", CATALOG, "class Catalog(Protocol):"),
            (
                "product",
                CATALOG,
                "    async def get_product(self, id: UUID, days: int = 2) -> Product:",
            ),
        ]
    }
    assert (code, said[-1][:9]) == (1, "3. delete")
    assert [each for each in said if each.startswith("src/")] == [
        f"{BILLING}:{lines['limit']}: billing.get_account: its result .limit is decimal or null, and "
        f"was decimal. It was broken by {no_limit}.",
        f"{BILLING}:{lines['amount']}: billing.OrderCharged: amount is integer, and was decimal. It was "
        f"broken by {in_cents}.",
        f"{JOBS}:{lines['audit']}: billing.audit_ledger: accounts_shown was taken away. It was broken by "
        f"{renamed}.",
        "src/app/modules/billing/module.toml:1: retires list_entries, which billing does not have. Take it "
        "out of `retired`.",
        f"{CATALOG}:{lines['catalog']}: catalog.list_products is gone. It is retired, but v1.0.0 does not "
        "say so: release that first. It was broken by what is not committed yet.",
        f"{CATALOG}:{lines['product']}: catalog.get_product: its argument days is 2 where it is left out, "
        "and was 1. It was broken by what is not committed yet.",
        "src/app/modules/catalog/module.toml:1: retires list_products, which catalog does not have. Take it "
        "out of `retired`.",
    ]


def test_what_is_no_code_is_not_even_looked_at(branch: Repository) -> None:
    (branch.path / "src/app/modules/billing/tests/test_more.py").write_text("1 / 0\n")
    branch.replace("README.md", "shop", "store")
    toml = "src/app/modules/ordering/service.py"
    (branch.path / toml).write_text("1 / 0\n")
    code, said = check(branch)
    assert (code, said) == (
        1,
        [
            "The contracts cannot be read: app.platform.wiring.module_toml.WiringError: ordering cannot "
            f"be imported: ZeroDivisionError: division by zero ({branch.path / toml}, line 1)."
        ],
    )
    branch.git("checkout", "--quiet", toml)
    assert check(branch) == (0, [])
    assert check(branch, "") == (0, [])
    assert check(branch, "0" * 40)[0] == 0


def test_old_code_that_these_libraries_cannot_run_has_its_own(branch: Repository) -> None:
    file = "src/app/modules/ordering/service.py"
    whole = branch.read(file)
    branch.replace("pyproject.toml", "dependencies = [\n", 'dependencies = [\n    "humanize",\n')
    (branch.path / file).write_text(f"import humanize\n{whole}")
    branch.run(UV, "lock", "--quiet")
    commit(branch, "Need a library that is not installed")
    branch.git("rm", "--quiet", "uv.lock")
    commit(branch, "Forget which one")
    (branch.path / file).write_text(whole)
    commit(branch, "Do without")
    assert check(branch, "HEAD~2") == (0, [])
    code, said = check(branch, "HEAD~1")
    assert code == 1
    assert said[0].startswith("The contracts of ")
    assert '"Forget which one" are not known: its code cannot be imported' in said[0]


def test_a_contract_is_shown_as_openapi(shop: Repository) -> None:
    shown = json.loads(shop.run(*SHOW, "billing").stdout)
    assert (shown["openapi"], shown["info"]["title"]) == ("3.1.0", "billing")
    operation = shown["paths"]["/_modules/billing/get_account"]["post"]
    assert {"200", "404"} == operation["responses"].keys()
    assert [*shown["x-local"]] == ["charge", "record_payment", "refund"]
    assert ([*shown["x-events"]], [*shown["x-jobs"]]) == (
        ["OrderCharged"],
        ["audit_ledger", "welcome_customer"],
    )
    assert "x-source" not in json.dumps(shown)
    assert "There is no module nothing" in shop.run(*SHOW, "nothing", check=False).stdout


class History:
    """A repository whose commits say themselves which jobs there are."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=self._root, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self, *jobs: str, module: str = "billing") -> str:
        file = self._root / "src" / "app" / module
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(" ".join(jobs))
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", ",".join(jobs))
        return self.git("rev-parse", "HEAD")

    def documents(self, commit: str) -> dict[str, Any]:
        found = {}
        for path in self.git("ls-tree", "-r", "--name-only", commit).splitlines():
            said = self.git("show", f"{commit}:{path}")
            if "!" in said:
                raise UnreadableCodeError("!")
            jobs = {name: {"event": "E", "x-source": "jobs.py:"} for name in said.split()}
            found[Path(path).name] = {
                "paths": {},
                "components": {"schemas": {}},
                "x-events": {},
                "x-jobs": jobs,
                "x-service": None,
                "x-retired": [],
            }
        return found

    def blamed(self) -> dict[str, str]:
        """By job that is gone, which commit took it away."""
        fork = history.fork_of("main")
        assert fork is not None
        breaks = compare(self.documents(fork), self.documents("HEAD"))
        found = culprits("main", fork, breaks, {}, self.documents)
        return {subject: who.partition(" ")[2] for (subject, _), who in found.items()}


@pytest.fixture
def past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    monkeypatch.setattr(history, "ROOT", tmp_path)
    made = History(tmp_path)
    made.commit("a", "b", "c")
    made.git("checkout", "--quiet", "-b", "branch")
    return made


def test_each_commit_answers_for_what_it_broke(past: History) -> None:
    past.commit("a", "b", "c", "d")
    past.commit("a", "c", "d")
    past.commit("a", "c", "e")
    past.commit("c", "e")
    past.commit("c", "e", "f")
    assert past.blamed() == {"billing.b": '"a,c,d"', "billing.a": '"c,e"'}


def test_what_was_mended_and_broken_again_is_the_later_ones(past: History) -> None:
    for jobs in ("b c", "a b c x", "b c x", "b c y"):
        past.commit(*jobs.split())
    assert past.blamed() == {"billing.a": '"b,c,x"'}


def test_a_merge_of_main_answers_only_for_what_it_takes_away_itself(past: History) -> None:
    past.commit("a", "c")
    past.git("checkout", "--quiet", "main")
    past.commit("m", "n", module="ordering")
    past.git("checkout", "--quiet", "branch")
    past.commit("a", "c", "d")
    past.git("merge", "--quiet", "--no-edit", "main")
    past.commit("n", module="ordering")
    assert past.blamed() == {"billing.b": '"a,c"', "ordering.m": '"n"'}


def test_a_commit_that_cannot_be_imported_is_named_beside_the_next(past: History) -> None:
    past.commit("a", "b", "!")
    past.commit("a", "b")
    assert past.blamed()["billing.c"].startswith('"a,b", or ')
