"""What each module does, from what a process serves."""

import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest

from scaffold.deciding import facts, metrics
from scaffold.errors import ScaffoldError

PLATFORM = Path(__file__).parents[2] / "template/src/app/platform"


def served(calls, seconds):
    """What a process of the application serves, written by the library that it uses."""
    registry = CollectorRegistry()
    called = Counter("boundary_calls", "Calls.", ("module", "method", "outcome"), registry=registry)
    worked = Counter("db_module_seconds", "Time.", ("module",), registry=registry)
    for (module, method), number in calls.items():
        called.labels(module, method, "ok").inc(number)
    for module, number in seconds.items():
        worked.labels(module).inc(number)
    return generate_latest(registry)


@pytest.fixture
def web():
    """Two processes, by number: the second has done half of the first, on the same database."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            number = int(self.path.strip("/"))
            body = served({("billing", "charge"): 100 / number}, {"billing": 90, "catalog": 10})
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_application_counts_under_these_names():
    assert re.search(
        r'Counter\(\s*"boundary_calls",', (PLATFORM / "telemetry/metrics.py").read_text()
    )
    assert '"db_module_seconds",' in (PLATFORM / "monitoring/gauges_database.py").read_text()


def test_calls_of_processes_add_up_and_their_database_is_one(web):
    load = metrics.read([f"{web}/1", f"{web}/2"])
    assert (load.calls, load.seconds) == ({"billing": 150}, {"billing": 90, "catalog": 10})


def test_a_file_says_which_module_is_busy(tmp_path):
    file = tmp_path / "metrics"
    file.write_bytes(
        served(
            {("catalog", "list"): 9_000, ("catalog", "get"): 500}, {"billing": 30, "catalog": 90}
        )
    )
    found = facts.gather(None, metrics.read([str(file)]))
    assert [fact.text for fact in found.found] == [
        "the database's time by module: catalog 75%, billing 25%",
        "calls by module: catalog 9,500",
    ]
    assert found.busiest == "catalog"


def test_an_application_that_has_just_started_says_so(tmp_path):
    (tmp_path / "metrics").write_bytes(served({}, {"billing": 0}))
    (fact,) = facts.gather(None, metrics.read([str(tmp_path / "metrics")])).found
    assert fact.text == "no module has done anything yet"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<html>\n", "not in the text format"),
        (b"boundary_calls_total{module=\n", "not in the text format"),
        (b"up 1\n", "neither boundary_calls_total nor"),
        (b"", "neither boundary_calls_total nor"),
        (b"\xff\xfe", "is no text"),
        (b'boundary_calls_total{module="a"} NaN\n', "neither boundary_calls_total nor"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, content, said):
    (tmp_path / "metrics").write_bytes(content)
    with pytest.raises(ScaffoldError, match=said):
        metrics.read([str(tmp_path / "metrics")])


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nowhere", "nowhere is not there"),
        ("http://127.0.0.1:1/metrics", r"did not answer \(.*refused"),
        ("ftp://127.0.0.1/metrics", "is no HTTP address"),
        ("http://[", "did not answer"),
    ],
)
def test_what_cannot_be_read_is_refused(source, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ScaffoldError, match=said):
        metrics.read([source])
