"""What a client hears, over the wire, when something goes wrong."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from generated import Repository
from running import bearer, eventually, serving
from tcp_proxy import TcpProxy

BOUNDS = {
    "METRICS_PORT": "0",
    "REQUEST_TIMEOUT": "8",
    "DATABASE_STATEMENT_TIMEOUT": "3",
}
"""Short, and longer than what takes no time waits on a busy machine."""
EDGE = "/trouble/edge"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("edge") / "log"


@pytest.fixture(scope="module")
def network(production: Repository) -> Iterator[TcpProxy]:
    """Between this server and its database."""
    where = urlsplit(production.environment["DATABASE_URL"])
    assert where.hostname
    assert where.port
    with TcpProxy(where.hostname, where.port) as network:
        yield network


@pytest.fixture(scope="module")
def web(production: Repository, network: TcpProxy, log: Path) -> Iterator[httpx.Client]:
    """A server that waits for nothing for long."""
    through = {"DATABASE_URL": network.url(production.environment["DATABASE_URL"])}
    application = Repository(production.path, {**production.environment, **BOUNDS, **through})
    with (
        serving(application, log) as (_, url),
        httpx.Client(base_url=url, headers=bearer(production), timeout=60) as client,
    ):
        yield client


class Connection:
    """One connection to the server, on which requests follow one another."""

    def __init__(self, web: httpx.Client) -> None:
        where = (web.base_url.host, web.base_url.port)
        self._socket = socket.create_connection(where, timeout=30)
        self._file = self._socket.makefile("rb")
        self._token = web.headers["Authorization"]

    def send(self, method: str, path: str, *headers: str, body: bytes = b"") -> None:
        lines = [f"{method} {path} HTTP/1.1", "Host: app", f"Authorization: {self._token}"]
        self._socket.sendall("\r\n".join([*lines, *headers, "", ""]).encode() + body)

    def answer(self, *, has_body: bool = True) -> tuple[int, dict[str, str], bytes]:
        """Read one answer, whose length is said."""
        status = self._file.readline()
        assert status, "the connection is closed"
        headers = {}
        while line := self._file.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", 0)) if has_body else 0
        return int(status.split()[1]), headers, self._file.read(length)

    def rest(self) -> bytes:
        return self._file.read()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()
        self._socket.close()


NO_BODY = "Content-Length: 0"


@pytest.mark.parametrize(("path", "status"), [("fail", 500), ("fail-afterwards", 200)])
def test_a_connection_survives_what_a_handler_fails_with(
    web: httpx.Client, log: Path, path: str, status: int
) -> None:
    with Connection(web) as connection:
        for _ in range(20):
            connection.send("POST", f"{EDGE}/{path}", NO_BODY)
            assert connection.answer()[0] == status
            connection.send("GET", f"{EDGE}/open")
            assert connection.answer()[::2] == (200, b'"open"')
    eventually(lambda: "RuntimeError: on purpose" in log.read_text())


def test_half_an_answer_ends_with_its_connection(web: httpx.Client) -> None:
    with Connection(web) as connection:
        connection.send("POST", f"{EDGE}/fail-halfway", NO_BODY)
        assert connection.answer()[0] == 200
        assert not connection.rest().endswith(b"0\r\n\r\n")  # Which would make it whole.


@pytest.mark.parametrize("path", ["/healthz", "/readyz", f"{EDGE}/open", "/trouble/one"])
def test_head_has_no_body(web: httpx.Client, path: str) -> None:
    with Connection(web) as connection:
        connection.send("GET", path)
        _, shown, body = connection.answer()
        connection.send("HEAD", path)
        status, headers, _ = connection.answer(has_body=False)
        assert (status, headers["content-length"]) == (200, str(len(body)))
        connection.send("GET", path)  # What came as a body would be read as its answer.
        assert connection.answer()[0] == 200
        assert shown["content-type"] == headers["content-type"]


CHUNKED = "Transfer-Encoding: chunked"
SAYS_JSON = "Content-Type: application/json"
BODIES: dict[str, tuple[list[str], bytes]] = {
    "of no length": ([NO_BODY], b""),
    "without a word of it": ([], b""),
    "there": (["Content-Length: 3"], b"[1]"),
    "in chunks": ([CHUNKED], b"3\r\n[1]\r\n0\r\n\r\n"),
    "none in chunks": ([CHUNKED], b"0\r\n\r\n"),
    "to be asked for": (["Content-Length: 3", "Expect: 100-continue"], b""),
    "not all there": (["Content-Length: 9"], b"[1]"),
}


def test_a_slow_handler_is_one_whatever_becomes_of_the_body(web: httpx.Client) -> None:
    opened = {name: Connection(web) for name in BODIES}
    for name, (headers, body) in BODIES.items():
        opened[name].send("POST", f"{EDGE}/slow", *headers, body=body)
    read = Connection(web)
    read.send("POST", f"{EDGE}/slow/body", SAYS_JSON, "Content-Length: 3", body=b"[1]")
    stalled = Connection(web)
    stalled.send("POST", f"{EDGE}/slow/body", SAYS_JSON, "Content-Length: 9", body=b"[1")
    statuses = {name: each.answer()[0] for name, each in opened.items()}
    assert statuses == dict.fromkeys(BODIES, 503)
    assert read.answer()[0] == 503
    assert stalled.answer()[0] == 408
    for each in (*opened.values(), read, stalled):
        each.__exit__()


def test_an_error_of_a_module_is_its_own(web: httpx.Client) -> None:
    answer = web.post(f"{EDGE}/time-out")
    assert (answer.status_code, answer.headers.get("Retry-After")) == (500, None)
    assert "atabase" not in answer.text


def test_a_dear_query_is_not_asked_for_again(
    web: httpx.Client, query: Callable[..., object]
) -> None:
    answer = web.post(f"{EDGE}/query")
    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, None)
    assert answer.json()["detail"].endswith("Nothing was changed.")
    words = uuid4().hex
    partly = web.post(f"{EDGE}/query", params={"first": words})
    assert (partly.status_code, partly.headers.get("Retry-After")) == (503, None)
    assert partly.json()["detail"].endswith(
        "Part of the request was done: look before you try again."
    )
    assert query("SELECT count(*) FROM trouble.notes WHERE words = $1", words) == 1


def test_a_key_is_taken_once_and_answered_once(
    web: httpx.Client, query: Callable[..., object]
) -> None:
    words, key = uuid4().hex, {"Idempotency-Key": uuid4().hex}

    def notes() -> object:
        return query("SELECT count(*) FROM trouble.notes WHERE words LIKE $1 || '%'", words)

    async def at_once() -> list[httpx.Response]:
        async with httpx.AsyncClient(
            base_url=web.base_url, headers=web.headers, timeout=60
        ) as client:
            path, params = f"{EDGE}/note", {"words": words}
            sent = (client.post(path, params=params, headers=key) for _ in range(10))
            return await asyncio.gather(*sent)

    answers = asyncio.run(at_once())
    assert {(each.status_code, each.json() == "done") for each in answers} <= {
        (201, True),
        (409, False),
    }
    eventually(lambda: notes() == 2)  # The second in the background.
    again = web.post(f"{EDGE}/note", params={"words": words}, headers=key)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert notes() == 2


def test_a_stranger_names_no_request_whoever_calls_for_them(web: httpx.Client) -> None:
    url, claims = f"{web.base_url}{EDGE}/open", {"X-Request-ID": "claimed"}
    for_another = {"X-Forwarded-For": "203.0.113.7", **claims}
    with httpx.Client(timeout=60) as stranger:
        assert stranger.get(url, headers=claims).headers["X-Request-ID"] == "claimed"
        assert len(stranger.get(url, headers=for_another).headers["X-Request-ID"]) == 32
    known = web.get(url, headers=for_another)
    assert known.headers["X-Request-ID"] == "claimed"


def test_a_database_that_is_away_is_to_be_asked_again_and_a_module_is_not(
    web: httpx.Client, network: TcpProxy
) -> None:
    with network.closed():
        answer = web.post(f"{EDGE}/query")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert "database is not reachable" in answer.json()["detail"]
        failed = web.post(f"{EDGE}/time-out")
        assert (failed.status_code, failed.headers.get("Retry-After")) == (500, None)
    assert web.get("/trouble/one").status_code == 200
