"""Prometheus and Alertmanager, real ones, with the files of a generated repository, and whom they page.

    with monitored(shop.path, tmp_path, ["127.0.0.1:9464"]) as monitoring:
        monitoring.query('up{job="app"}')

Only the times are others: seconds instead of minutes and hours.
"""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from replica import free_port
from running import eventually

_WINDOWS = {
    "5m": "6s",
    "30m": "8s",
    "1h": "10s",
    "2h": "10s",
    "6h": "16s",
    "1d": "25s",
    "3d": "30s",
}
_PATIENCE = {"1m": "2s", "2m": "3s", "5m": "6s", "10m": "12s", "1h": "72s"}
"""In proportion as well: what may last for ten minutes may last for longer than a window of five."""
Sample = dict[str, Any]


@dataclass
class Monitoring:
    """What runs, and what was sent to whom is on call."""

    prometheus: str
    """Its address."""
    pages: list[dict[str, Any]] = field(default_factory=list)
    """Alerts that pages told of, as Alertmanager has them."""
    since: float = field(default_factory=time.time)
    """When everything ran, and what fires from then on counts."""

    def ask(self, path: str, **parameters: str) -> Any:
        """Return what Prometheus answers; an error of a query is an error here."""
        with urlopen(f"{self.prometheus}/api/v1/{path}?{urlencode(parameters)}") as answer:
            return json.load(answer)["data"]

    def query(self, query: str) -> list[Sample]:
        found = self.ask("query", query=query)
        return found["result"] if found["resultType"] == "vector" else [found]

    def firing(self, alert: str, severity: str = "page") -> set[str]:
        """Return the modules for which an alert fires now."""
        labels = f'alertname="{alert}", severity="{severity}", alertstate="firing"'
        return {each["metric"]["module"] for each in self.query(f"ALERTS{{{labels}}}")}

    def fired(self) -> set[tuple[str, str, str]]:
        """Return the alerts that have fired, each with its severity and its module."""
        milliseconds = round((time.time() - self.since) * 1000)
        found = self.query(f'count_over_time(ALERTS{{alertstate="firing"}}[{milliseconds}ms])')
        labels = ("alertname", "severity", "module")
        return {tuple(each["metric"][label] for label in labels) for each in found}

    def paged(self, alert: str, status: str) -> list[dict[str, Any]]:
        """Return the alerts of a name that pages told of: `firing` or `resolved`."""
        return [
            each
            for each in self.pages
            if each["labels"]["alertname"] == alert and each["status"] == status
        ]


@contextmanager
def monitored(
    shop: Path, folder: Path, targets: Sequence[str], services: Mapping[str, Sequence[str]] = {}
) -> Iterator[Monitoring]:
    """Watch processes while the block lasts; the folder takes data, logs and shortened files.

    Those of services are given by their module.
    """
    ports = {name: free_port() for name in ("prometheus", "alertmanager", "receiver")}
    monitoring = Monitoring(f"http://127.0.0.1:{ports['prometheus']}")
    _shorten(shop / "observability", folder, ports, targets, services)
    with ExitStack() as running:
        running.enter_context(_received(ports["receiver"], monitoring.pages))
        running.enter_context(
            _running(
                folder,
                "alertmanager",
                f"--web.listen-address=127.0.0.1:{ports['alertmanager']}",
                "--cluster.listen-address=",
                f"--storage.path={folder / 'alertmanager'}",
            )
        )
        running.enter_context(
            _running(
                folder,
                "prometheus",
                f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
                "--enable-feature=exemplar-storage",
                f"--storage.tsdb.path={folder / 'prometheus'}",
            )
        )
        eventually(lambda: _is_ready(f"{monitoring.prometheus}/-/ready"))
        eventually(lambda: _is_ready(f"http://127.0.0.1:{ports['alertmanager']}/-/ready"))
        yield monitoring


def _shorten(
    source: Path,
    folder: Path,
    ports: Mapping[str, int],
    targets: Sequence[str],
    services: Mapping[str, Sequence[str]],
) -> None:
    """Copy the files with seconds for minutes, and with the addresses of what runs here."""
    shutil.copy(source / "team.yml", folder)
    rules = (source / "rules.yml").read_text("utf-8")
    rules = re.sub(r"\[(\w+)\]", lambda window: f"[{_WINDOWS[window[1]]}]", rules)
    rules = re.sub(r"\bfor: (\w+)", lambda given: f"for: {_PATIENCE[given[1]]}", rules)
    (folder / "rules.yml").write_text(rules, "utf-8")
    prometheus = (source / "prometheus.yml").read_text("utf-8")
    scraped = json.dumps(list(targets))
    for name, each in services.items():
        scraped += f"\n      - targets: {json.dumps(list(each))}"
        scraped += f"\n        labels: {{service: {name}}}"
    for old, new in (
        ("_interval: 15s", "_interval: 1s"),
        ('["127.0.0.1:9464", "127.0.0.1:9465"]', scraped),
        ("127.0.0.1:9093", f"127.0.0.1:{ports['alertmanager']}"),
    ):
        assert old in prometheus, old
        prometheus = prometheus.replace(old, new)
    (folder / "prometheus.yml").write_text(prometheus, "utf-8")
    alertmanager = (source / "alertmanager.yml").read_text("utf-8")
    alertmanager = re.sub(r"group_(wait|interval): \w+", r"group_\1: 1s", alertmanager)
    assert "127.0.0.1:9095" in alertmanager
    receiver = f"127.0.0.1:{ports['receiver']}"
    (folder / "alertmanager.yml").write_text(alertmanager.replace("127.0.0.1:9095", receiver))


@contextmanager
def _running(folder: Path, name: str, *options: str) -> Iterator[None]:
    program = shutil.which(name) or shutil.which(f"prometheus-{name}")  # As Debian calls it.
    if program is None:
        pytest.fail(f"this test needs {name}: apt-get install prometheus prometheus-alertmanager")
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [program, f"--config.file={folder / name}.yml", *options],
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        time.sleep(0.2)
        assert process.poll() is None, (folder / f"{name}.log").read_text()
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


@contextmanager
def _received(port: int, pages: list[dict[str, Any]]) -> Iterator[None]:
    """Keep the alerts of each page that arrives; tickets are answered, and forgotten."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/pages":
                pages.extend(body["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_args: object) -> None: ...

    with HTTPServer(("127.0.0.1", port), Receiver) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def _is_ready(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False
