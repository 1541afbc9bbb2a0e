"""`app dev` and the other commands, as a developer meets them."""

import asyncio
import json
import os
import re
import signal
import subprocess
from functools import partial
from pathlib import Path

import asyncpg
import pytest
from generated import UV, Generate, Repository
from running import bearer, call, eventually, running

AWAY = "postgresql://a:long-enough-secret@127.0.0.1:1/c"
ITEM = "/catalog/items"
BREAKS = """
revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    1 / 0
"""


@pytest.fixture(scope="module")
def shop(generate: Generate) -> Repository:
    """A repository that uses the Postgres it brings along, not the one of the other tests."""
    shop = generate()
    shop.environment = {k: v for k, v in shop.environment.items() if k != "DATABASE_URL"}
    shop.run(UV, "sync", "--quiet")
    return shop


def app(shop: Repository, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    changed = Repository(shop.path, {**shop.environment, **environment})
    return changed.run(str(shop.path / ".venv/bin/app"), *arguments, check=False)


def servers(shop: Repository) -> list[int]:
    """The pids of processes that work on this repository's data."""
    marker = str(shop.path / ".local").encode()
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if pid != os.getpid() and marker in _command_line(pid)]


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_what_was_created_survives_a_restart(shop: Repository) -> None:
    with running(shop) as (_, url):
        status, created = call(url + ITEM, {"name": "kept"}, bearer(shop))
        assert status == 201
    with running(shop) as (_, url):
        items = json.loads(call(url + ITEM, headers=bearer(shop))[1])["items"]
    # Its job has run meanwhile, or has not.
    assert json.loads(created)["id"] in {item["id"] for item in items}


def test_a_module_added_while_it_runs_is_served_at_once(shop: Repository, tmp_path: Path) -> None:
    def metrics() -> str:
        """What stands at the address that was printed last."""
        found = re.findall(r"Metrics: (http://127\.0\.0\.1:\d+/metrics)", log.read_text())
        return call(found[-1])[1]

    log = tmp_path / "log"
    with running(shop, log) as (_, url):
        token = bearer(shop)
        assert call(f"{url}/billing/invoices", headers=token)[0] == 404
        assert "billing" not in metrics()
        shop.add_module("billing", "--entity", "invoice", "--depends-on", "catalog")
        eventually(lambda: call(f"{url}/billing/invoices", headers=token)[0] == 200)
        assert 'href="/_dev/requests?module=billing"' in call(f"{url}/_dev")[1]
        for told_of in (
            r'module_info\{module="billing",owner="@acme/team"\}',
            r'http_server_requests_total\{.*http_route="/billing/invoices",module="billing"\}',
            r'boundary_calls_total\{method="create_invoice",module="billing",outcome="ok"\}',
            r'queue_jobs\{job_state="waiting",module="billing"\}',
        ):
            eventually(lambda told_of=told_of: re.search(told_of, metrics()))


def shows(url: str, text: str) -> bool:
    return text in call(url)[1]


def test_a_second_change_within_the_second_is_served_too(shop: Repository) -> None:
    """As long as the first, so that Python would take what it has compiled."""
    routes = shop.path / "src/app/modules/catalog/routes.py"
    whole = routes.read_text("utf-8")
    with running(shop) as (_, url):
        try:
            for length in (301, 302, 303):
                routes.write_text(whole.replace("max_length=200", f"max_length={length}"), "utf-8")
                eventually(partial(shows, f"{url}/openapi.json", f'"maxLength":{length}'))
        finally:
            routes.write_text(whole, "utf-8")


def test_a_debugger_finds_all_in_one_process(shop: Repository, tmp_path: Path) -> None:
    with running(shop, tmp_path / "log", "--debug") as (process, url):
        assert call(url + ITEM, headers=bearer(shop))[0] == 200
        assert not Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    started = [each["args"] for each in launched(shop)]
    assert started == [["dev", "--debug"], ["${file}"]]


def launched(shop: Repository) -> list[dict[str, list[str]]]:
    found: list[dict[str, list[str]]] = json.loads(shop.read(".vscode/launch.json"))[
        "configurations"
    ]
    return found


def test_the_tests_can_run_beside_it(shop: Repository) -> None:
    with running(shop) as (_, url):
        assert shop.pytest("tests/test_application.py").returncode == 0
        assert call(url + ITEM, headers=bearer(shop))[0] == 200


def test_its_jobs_can_be_looked_at_beside_it(shop: Repository) -> None:
    with running(shop):
        done = app(shop, "jobs", "count")
        assert (done.returncode, "DATABASE_URL" in done.stdout) == (0, False), done.stdout
        done = app(shop, "jobs", "drop", "999999")
        assert "There is no job 999999 in the queue" in done.stdout
        done = app(shop, "jobs", "count", ENVIRONMENT="production")
        assert "app: DATABASE_URL: is not set" in done.stdout


def test_what_cannot_start_says_why_until_it_is_mended(shop: Repository, tmp_path: Path) -> None:
    catalog, log = shop.path / "src/app/modules/catalog", tmp_path / "log"
    broken = {
        "modules/catalog/service.py": ("\ndef broken(:\n", "catalog cannot be imported: Syntax"),
        "modules/catalog/module.toml": (
            "\nowner = 1\n",
            "catalog/module.toml: owner must stand above",
        ),
        "platform/database/errors.py": ("\ndef broken(:\n", "SyntaxError: invalid syntax"),
        "main.py": ("\n1 / 0\n", "ZeroDivisionError: division by zero"),
    }
    with running(shop, log) as (_, url):
        for name, (added, said) in broken.items():
            file = shop.path / "src/app" / name
            whole = file.read_text("utf-8")
            try:
                file.write_text(whole + added, "utf-8")
                eventually(lambda said=said: said in call(f"{url}/_dev")[1])
                status, why = call(f"{url}/_dev")
                assert (status, why.count("\n")) == (503, 1)
                assert why.startswith("The application does not start: ")
                page = call(f"{url}/_dev", headers={"Accept": "text/html"})
                assert page[0] == 503
                assert "Traceback (most recent call last)" in page[1]
            finally:
                file.write_text(whole, "utf-8")
            eventually(lambda: call(f"{url}/readyz")[0] == 200)
        flags = catalog / "flags.json"
        flags.write_text("{", "utf-8")
        try:
            (catalog / "routes.py").touch()
            eventually(lambda: "catalog/flags.json cannot be read" in call(f"{url}/readyz")[1])
            log_before = log.read_text()
        finally:
            flags.unlink()
        eventually(lambda: call(f"{url}/readyz")[0] == 200)  # No reload is needed.
        assert log.read_text()[len(log_before) :].count("Reloading") == 0
    assert "Traceback" not in log.read_text()
    assert log.read_text().count("The application does not start") == len(broken) + 1


def test_a_database_that_comes_later_is_noticed(shop: Repository, tmp_path: Path) -> None:
    """A server of its own, whose database is taken away and given back."""
    log = tmp_path / "log"
    with running(shop, log) as (_, url):
        change_database(shop, "app", "put_aside")
        try:
            (shop.path / "src/app/modules/catalog/routes.py").touch()
            eventually(lambda: "does not answer as expected" in call(f"{url}/readyz")[1])
        finally:
            change_database(shop, "put_aside", "app")
        eventually(lambda: call(url + ITEM, headers=bearer(shop))[0] == 200)
    assert "Traceback" not in log.read_text()


def change_database(shop: Repository, name: str, to: str) -> None:
    """Rename a database of the local server that runs, whoever is connected."""

    async def change(url: str) -> None:
        admin = await asyncpg.connect(url)
        await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")  # Nobody comes back.
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
        )
        await admin.execute(f"ALTER DATABASE {name} RENAME TO {to}")
        await admin.execute(f"ALTER DATABASE {to} ALLOW_CONNECTIONS true")
        await admin.close()

    server = shop.path / ".local/postgres"
    port = (server / "data/postmaster.pid").read_text().splitlines()[3]
    password = (server / "password").read_text()
    asyncio.run(change(f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_running_when_it_ends(shop: Repository, how: signal.Signals) -> None:
    with running(shop) as (process, url):
        assert servers(shop)
        process.send_signal(how)
        process.wait(timeout=60)
        eventually(lambda: not servers(shop))
        eventually(lambda: call(f"{url}/healthz")[0] == 0)


def test_a_taken_port_is_refused(shop: Repository) -> None:
    with running(shop) as (_, url):
        done = app(shop, "dev", "--port", url.rsplit(":", 1)[1])
        assert done.returncode == 1
        assert re.search(
            r"is taken by an `app dev` .*: `make dev port=\d+`, or `app dev", done.stdout
        )
        assert "Traceback" not in done.stdout


@pytest.mark.parametrize(
    "command", ["dev", "serve", "worker", "migrate", "make-migration", "modules", "map"]
)
def test_each_command_explains_itself_with_an_example(shop: Repository, command: str) -> None:
    done = app(shop, command, "--help")
    assert done.returncode == 0
    assert "Example: " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "said"),
    [
        (["serve"], {}, 1, "app: DATABASE_URL: is not set"),
        (["worker"], {}, 1, "app: DATABASE_URL: is not set"),
        (["jobs", "list"], {}, 1, "app: DATABASE_URL: is not set"),
        (["migrate"], {}, 1, "app: DATABASE_URL: is not set"),
        (["migrate"], {"DATABASE_URL": "mysql://a@b/c"}, 1, "must start with postgresql://"),
        (["migrate"], {"DATABASE_URL": "postgresql://a@127.0.0.1:1/c"}, 1, "Connect call failed"),
        (["make-migration", "nothing", "x"], {}, 1, "There is no module nothing"),
        (["make-migration", "catalog", "x"], {}, 1, "nothing to write"),
        (["make-migration", "catalog", 'a "b"'], {}, 1, "without quotation marks"),
        (["make-migration", "catalog", ""], {}, 1, "The message is empty"),
        (["make-migration", "catalog", " -- "], {}, 1, "The message is empty"),
        (["migrate"], {"DATABASE_URL": AWAY}, 1, "Is DATABASE_URL right"),
        (
            ["migrate"],
            {"DATABASE_URL": AWAY, "MIGRATION_DATABASE_URL": AWAY.replace("a:", "b:")},
            1,
            "Is MIGRATION_DATABASE_URL right",
        ),
        (["make-migration", "catalog", "x"], {"DATABASE_URL": AWAY}, 1, "Is DATABASE_URL right"),
        (["flags"], {}, 0, "No module has a flag."),
        (["flags", "--expired"], {}, 0, "No flag has expired."),
        (
            ["migrate"],
            {"DATABASE_URL": "postgresql://a@b/c?options=x"},
            1,
            "not supported: options",
        ),
        (["map", "--svg", "no/such/map.svg"], {}, 1, "Cannot write no/such/map.svg: No such file"),
        (["map", "--svg", "."], {}, 1, "Cannot write .: Is a directory"),
        (["serve"], {"DATABASE_URL": "postgresql://a@b/c"}, 1, "app: OIDC_ISSUER: is not set"),
        (
            ["serve", "--processes", "2"],
            {
                "DATABASE_URL": "postgresql://a@b/c",
                "OIDC_ISSUER": "https://id.example.com",
                "OIDC_AUDIENCE": "shop",
                "REMOTE_OFF": "catalog.nothing",
            },
            1,
            "app: REMOTE_OFF: names catalog.nothing, which Catalog does not have",
        ),
        (["dev"], {"ENVIRONMENT": "production"}, 1, "ENVIRONMENT: this is for development only"),
        (
            ["token"],
            {"ENVIRONMENT": "production"},
            1,
            "only the issuer in OIDC_ISSUER makes tokens",
        ),
        (["nonsense"], {}, 2, "No such command"),
        (["dev", "--port", "none"], {}, 2, "--port"),
    ],
)
def test_bad_input_gets_one_clear_sentence(
    shop: Repository, arguments: list[str], variables: dict[str, str], code: int, said: str
) -> None:
    eventually(lambda: not servers(shop))  # Those of the test before.
    done = app(shop, *arguments, **variables)
    assert said in done.stdout
    assert "Traceback" not in done.stdout
    assert done.returncode == code


def test_a_migration_that_fails_is_one_sentence_with_its_line(shop: Repository) -> None:
    migration = "src/app/modules/catalog/migrations/0002_break.py"
    for broken, why in (
        ("1 / 0", "ZeroDivisionError: "),
        ('open("/no/file")', "/no/file: No such "),
    ):
        (shop.path / migration).write_text(BREAKS.replace("1 / 0", broken), "utf-8")
        try:
            done = app(shop, "make-migration", "catalog", "a note")
        finally:
            (shop.path / migration).unlink()
        assert done.returncode == 1
        assert done.stdout.count("\n") == 1, done.stdout
        assert why in done.stdout


@pytest.mark.parametrize("command", ["modules", "openapi", "map"])
def test_what_cannot_be_printed_is_not_blamed_on_the_database(
    shop: Repository, command: str
) -> None:
    done = shop.run("sh", "-c", f"exec .venv/bin/app {command} >/dev/full", check=False)
    said = r"app: No space left on device \(src/app/\S+, line \d+\)\.\n"
    assert (done.returncode, bool(re.fullmatch(said, done.stdout))) == (1, True), done.stdout
    assert shop.run("sh", "-c", f".venv/bin/app {command} | true", check=False).stdout == ""


def test_a_changed_table_gets_its_migration(shop: Repository) -> None:
    tables = "src/app/modules/ordering/tables.py"
    column = "    name: Mapped[str]\n"
    shop.replace(tables, column, f"{column}    note: Mapped[str | None]\n")
    done = app(shop, "make-migration", "ordering", "add a note")
    assert done.returncode == 0, done.stdout
    [file] = (shop.path / "src/app/modules/ordering/migrations").glob("*_add_a_note.py")
    written = file.read_text("utf-8")
    assert 'op.execute("ALTER TABLE ordering.items ADD COLUMN note character varying")' in written
    assert "nothing to write" in app(shop, "make-migration", "ordering", "again").stdout
    shop.make("lint", "typecheck", "sql", "migrations")
    shop.pytest("tests/test_architecture.py", "src/app/modules/ordering")
    shop.run("git", "add", "--all")  # Or `app dev` would wait for somebody who reads it.
    shop.run("git", "commit", "--quiet", "--message", "Add a note")


def test_tables_without_a_migration_are_told_of_while_it_runs(
    shop: Repository, tmp_path: Path
) -> None:
    tables, log = "src/app/modules/catalog/tables.py", tmp_path / "log"
    column = "    name: Mapped[str]\n"
    with running(shop, log):
        shop.replace(tables, column, f"{column}    colour: Mapped[str | None]\n")
        try:
            eventually(lambda: "app make-migration catalog" in log.read_text())
        finally:
            shop.replace(tables, "    colour: Mapped[str | None]\n", "")
    told = log.read_text()
    assert "catalog: tables.py and the migrations differ. column items.colour: " in told
    assert "make-migration ordering" not in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"DATABASE_URL": "nonsense"}, "DATABASE_URL: is not a URL"),
        ({"DATABASE_URL": AWAY}, "Is DATABASE_URL right, and does Postgres run?"),
    ],
)
def test_without_a_database_all_tests_end_with_a_sentence(
    shop: Repository, variables: dict[str, str], said: str
) -> None:
    done = Repository(shop.path, {**shop.environment, **variables}).pytest(check=False)
    assert done.returncode == 1
    assert "No database to test on. " in done.stdout
    assert said in done.stdout
    assert done.stdout.count("\n") < 10, done.stdout


def test_modules_shows_what_is_wired_to_what(shop: Repository) -> None:
    printed = app(shop, "modules").stdout
    assert re.search(r"^catalog +@acme/team$", printed, re.MULTILINE)
