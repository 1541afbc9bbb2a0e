"""Where spans go, and that nobody suffers where they cannot."""

import asyncio
import socket
import threading
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from app.platform import timeouts as waits
from app.platform.settings.settings import Settings
from app.platform.telemetry.context import place
from app.platform.telemetry.otlp import traces_recorded
from app.platform.telemetry.traces import begin_trace, inside

NOTHING: dict[str, str] = {}
_WHOSE = ("service", "deployment.environment")


async def test_whose_spans_they_are_is_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    for name in ("", "till"):
        if name:
            monkeypatch.setenv("OTEL_SERVICE_NAME", name)
            monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging")
        exporter = InMemorySpanExporter()
        async with traces_recorded(settings, [SimpleSpanProcessor(exporter)]):
            begun = begin_trace(None, "all", SpanKind.SERVER, NOTHING)
            assert begun
            begun.end()
        place.set(None)
        [span] = exporter.get_finished_spans()
        told.append([span.resource.attributes[f"{key}.name"] for key in _WHOSE])
    project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]["name"]
    assert told == [[project, "development"], ["till", "staging"]]


async def test_a_collector_is_told_who_sends(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waits, "LAST_SPANS", 30)
    agents: list[str | None] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            agents.append(self.headers["User-Agent"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        given = {"otel_exporter_otlp_endpoint": url, "app_version": "1.4.2"}
        async with traces_recorded(settings.model_copy(update={**given, "traces_sample_ratio": 1})):
            begun = begin_trace(None, "all", SpanKind.SERVER, NOTHING)
            assert begun
            begun.end()
        server.shutdown()
    place.set(None)
    project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]["name"]
    assert agents == [f"{project}/1.4.2"]


class Broken(SpanProcessor):
    def on_end(self, span: ReadableSpan) -> None:
        raise RuntimeError("broken")


async def test_who_cannot_take_a_span_gets_no_more_of_them(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = InMemorySpanExporter()
    async with traces_recorded(settings, [Broken(), SimpleSpanProcessor(exporter)]):
        for _ in range(2):
            begun = begin_trace(None, "all", SpanKind.SERVER, NOTHING)
            assert begun
            begun.end()
    place.set(None)
    assert len(exporter.get_finished_spans()) == 2
    assert caplog.messages == ["Broken gets no more spans."]


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("mute")


async def test_an_error_that_cannot_say_what_it_is_reaches_who_waits_for_it(
    settings: Settings,
) -> None:
    exporter = InMemorySpanExporter()
    async with traces_recorded(settings, [SimpleSpanProcessor(exporter)]):
        with pytest.raises(Mute), inside(begin_trace(None, "all", SpanKind.SERVER, NOTHING)):
            raise Mute
    place.set(None)
    [span] = exporter.get_finished_spans()
    assert span.status.description == "Mute: (what it says could not be found out)"


async def test_a_span_that_cannot_be_made_fails_nothing(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async with traces_recorded(settings, [SimpleSpanProcessor(InMemorySpanExporter())]):
        begun = begin_trace(None, "all", SpanKind.SERVER, NOTHING)
        assert begun
        begun.parent = "nowhere"  # type: ignore[assignment]
        begun.end()
    place.set(None)
    assert caplog.messages == ["A span could not be recorded: AttributeError"]


@contextmanager
def deaf() -> Iterator[int]:
    """A port where connections are accepted, and nobody answers until the block is over.

    Then what was sent comes to its end, rather than in the middle of another test.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]
        taken, _ = listening.accept()
        with taken:
            taken.recv(65_536)
            taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            for each in threading.enumerate():
                if each.name == "traces":
                    each.join()


async def test_a_collector_that_is_away_is_told_of_once(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")
    dead = settings.model_copy(
        update={
            "otel_exporter_otlp_endpoint": "http://ada:secret@127.0.0.1:9",
            "traces_sample_ratio": 1,
        }
    )
    async with traces_recorded(dead):
        async with asyncio.timeout(30):
            while not caplog.messages:
                begun = begin_trace(None, "all", SpanKind.SERVER, NOTHING)
                assert begun
                begun.end()
                await asyncio.sleep(0.02)
        await asyncio.sleep(1)
    place.set(None)
    [said] = caplog.messages
    assert said.startswith("Traces cannot be sent to http://127.0.0.1:9: ")
    assert said.endswith(" spans lost (ConnectionError).")


async def test_a_collector_that_never_answers_does_not_keep_a_process_from_ending(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "120")
    with deaf() as port:
        endpoint = f"http://127.0.0.1:{port}"
        dead = settings.model_copy(
            update={"otel_exporter_otlp_endpoint": endpoint, "traces_sample_ratio": 1}
        )
        async with traces_recorded(dead):
            begun = begin_trace(None, "all", SpanKind.SERVER, NOTHING)
            assert begun
            begun.end()
            left = time.monotonic()
        assert time.monotonic() - left < 60  # It is given 1.5; a send takes 120.
    place.set(None)
