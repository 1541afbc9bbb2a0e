"""Who may open the console, and where there is none."""

import re
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from starlette.types import Scope

import app
from app.development.console.guard import refusal

OWN = {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"}
FOREIGN = "The console takes orders from its own pages only."


def asked(
    method: str = "GET",
    address: str = "127.0.0.1",
    host: str = "127.0.0.1:8000",
    headers: dict[str, str] | None = None,
) -> Scope:
    """A request for the console."""
    given = {"host": host, **(headers or {})}
    return {
        "type": "http",
        "method": method,
        "scheme": "http",
        "client": (address, 5),
        "headers": [(key.lower().encode(), value.encode()) for key, value in given.items()],
    }


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "127.0.0.1:9000", "[::1]:8000"])
def test_this_machine_may_look(host: str) -> None:
    assert refusal(asked(host=host)) is None


@pytest.mark.parametrize(
    "host",
    [
        "shop.example.com",
        "127.0.0.1.evil.example:8000",
        "localhost.evil.example",
        "[::1",
        "",
        "10.1",
    ],
)
def test_a_name_that_was_made_to_lead_here_is_refused(host: str) -> None:
    assert refusal(asked(host=host)) == "The console answers at 127.0.0.1 and localhost only."


@pytest.mark.parametrize("address", ["10.0.0.5", "2001:db8::1", "", "unix:"])
def test_other_machines_are_refused(address: str) -> None:
    assert refusal(asked(address=address)) == "The console answers to this machine only."


def test_its_own_pages_may_give_orders() -> None:
    assert refusal(asked("POST", headers=OWN)) is None
    assert refusal(asked("POST", headers={"Origin": OWN["Origin"]})) is None  # An old browser.


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9000"},
        {"Origin": "http://localhost:8000"},
        {**OWN, "Sec-Fetch-Site": "cross-site"},
        {**OWN, "Sec-Fetch-Site": "same-site"},
        {**OWN, "Sec-Fetch-Site": "none"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_another_site_can_give_no_orders(method: str, headers: dict[str, str]) -> None:
    assert refusal(asked(method, headers=headers)) == FOREIGN


def test_what_is_served_knows_nothing_of_development() -> None:
    program = (
        "import sys; from app import main; api = main.create_served_app()\n"
        "assert not any(str(getattr(each, 'path', '')).startswith('/_dev') for each in api.routes)\n"
        "assert not [name for name in sys.modules if name.startswith('app.development')]\n"
        "assert 'jinja2' not in sys.modules, 'jinja2'"
    )
    environment = {
        "DATABASE_URL": f"postgresql://shop:{uuid4().hex}@127.0.0.1/shop",
        "OIDC_ISSUER": "https://id.example.com",
        "OIDC_AUDIENCE": "shop",
    }
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_nothing_but_the_command_knows_of_development() -> None:
    source = Path(app.__path__[0])
    named = {
        str(file.relative_to(source))
        for file in source.rglob("*.py")
        if "development" not in file.parts
        and re.search(r"(from|import) app\.development", file.read_text("utf-8"))
    }
    assert named == {"cli_development.py"}
