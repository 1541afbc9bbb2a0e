"""Version and commit: told by every signal, and refused where they are malformed."""

import json
import logging
import re
import tomllib
from pathlib import Path

import pytest
from httpx import ASGITransport, AsyncClient
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from app.main import create_app
from app.platform.monitoring.gauges import Release
from app.platform.settings.release import installed_version
from app.platform.settings.settings import load_settings, Settings, SettingsError
from app.platform.telemetry.context import place
from app.platform.telemetry.log_lines import Lines
from app.platform.telemetry.otlp import traces_recorded
from app.platform.telemetry.traces import begin_trace

COMMIT = "35844922330ee72683b44d5ff41b787f1f20a9bd"
TOLD = {"service.version": "1.4.2", "vcs.ref.head.revision": COMMIT}


@pytest.fixture
def released(settings: Settings) -> Settings:
    return settings.model_copy(update={"app_version": "1.4.2", "app_commit": COMMIT})


def line_of(formatter: Lines, event: str) -> str:
    record = logging.makeLogRecord({"msg": event, "levelno": logging.INFO})
    record.context = {"module": "platform"}
    return formatter.format(record)


async def test_health_says_which_release_lives(released: Settings) -> None:
    transport = ASGITransport(create_app(released))
    async with AsyncClient(transport=transport, base_url="http://app") as client:
        told = (await client.get("/healthz")).json()
    assert told == {"status": "ok", "version": "1.4.2", "commit": COMMIT}


async def test_every_span_says_which_release_it_is_of(released: Settings) -> None:
    exporter = InMemorySpanExporter()
    async with traces_recorded(released, [SimpleSpanProcessor(exporter)]):
        begun = begin_trace(None, "all", SpanKind.SERVER, {})
        assert begun
        begun.end()
    place.set(None)
    [span] = exporter.get_finished_spans()
    assert TOLD.items() <= dict(span.resource.attributes).items()


def test_prometheus_is_told(released: Settings) -> None:
    [info] = Release(released.release).collect()
    [sample] = info.samples
    assert sample.name == "target_info"
    assert sample.labels == {
        "module": "platform",
        "service_version": "1.4.2",
        "vcs_ref_head_revision": COMMIT,
    }


@pytest.mark.parametrize("event", ["charged", "half a pair: \ud800"])
def test_every_line_of_production_carries_it(released: Settings, event: str) -> None:
    in_production = Lines(False, False, released.release)
    line = json.loads(line_of(in_production, event))
    assert TOLD.items() <= line.items()
    assert next(iter(line)) == "event"
    on_a_laptop = line_of(Lines(True, False, released.release), event)
    assert COMMIT not in on_a_laptop


def test_without_being_told_it_is_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://a@c/d")
    project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]
    settings = load_settings()
    assert (settings.app_version, settings.app_commit) == (project["version"], None)
    assert settings.release == {"service.version": project["version"]}


def test_an_image_that_was_told_nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `make up` and a plain `docker build .` make it: with the arguments' defaults."""
    dockerfile = Path("Dockerfile").read_text("utf-8")
    defaults = dict(re.findall(r'^ARG (\w+)="(.*)"$', dockerfile, re.MULTILINE))
    given = dict(re.findall(r"\b(APP_\w+)=\$(\w+)", dockerfile))
    assert given.keys() == {"APP_VERSION", "APP_COMMIT"}
    monkeypatch.setenv("DATABASE_URL", "postgresql://a@c/d")
    for name, argument in given.items():
        monkeypatch.setenv(name, defaults[argument])
    settings = load_settings()
    assert (settings.app_version, settings.app_commit) == (installed_version(), None)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"APP_VERSION": "v 1"}, "^APP_VERSION: is not a version: write 1.4.2, as [^;]*$"),
        ({"APP_COMMIT": "main"}, "^APP_COMMIT: is not a commit: write what `git rev-parse HEAD`"),
    ],
)
def test_a_release_that_is_malformed_is_named(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], said: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://a@c/d")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=said):
        load_settings()


@pytest.mark.parametrize("commit", [COMMIT, COMMIT[:7], f"{COMMIT}-dirty"])
def test_a_commit_is_what_git_says(monkeypatch: pytest.MonkeyPatch, commit: str) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://a@c/d")
    monkeypatch.setenv("APP_COMMIT", commit)
    assert load_settings().app_commit == commit
