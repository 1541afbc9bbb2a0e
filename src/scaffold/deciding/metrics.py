"""What each module does, from the metrics that a process of the application serves."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scaffold import addresses
from scaffold.errors import ScaffoldError

_SECONDS = 10
_LARGEST = 64 * 1024 * 1024
_CALLS = "boundary_calls_total"
_DATABASE = "db_module_seconds_total"
_REQUESTS = "http_server_requests_total"


@dataclass
class Load:
    """By module.

    Attributes:
        calls: of its interface, since the processes started.
        seconds: that Postgres worked for it.
        methods: the same calls, by module and method.
        requests: that were answered, of all modules.
    """

    calls: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    methods: dict[tuple[str, str], float] = field(default_factory=dict)
    requests: float = 0.0


def read(sources: Sequence[str]) -> Load | None:
    """Read files and URLs, one for each process. Their calls add up; all tell of one database."""
    from prometheus_client.parser import text_string_to_metric_families

    if not sources:
        return None
    load = Load()
    for source in sources:
        shown = addresses.redact(source)
        text = _fetch(source, shown) if "://" in source else _load(Path(source))
        try:
            samples = [
                sample
                for family in text_string_to_metric_families(text)
                for sample in family.samples
                if sample.name in (_CALLS, _DATABASE, _REQUESTS) and math.isfinite(sample.value)
            ]
        except Exception as error:  # It raises whatever its code runs into.
            raise ScaffoldError(
                f"{shown} is not in the text format of Prometheus ({error}); pass what the "
                "application serves at /metrics"
            ) from None
        if all(sample.name == _REQUESTS for sample in samples):
            raise ScaffoldError(
                f"{shown} has neither {_CALLS} nor {_DATABASE}; pass what the application serves "
                "at /metrics, on the port that it logs"
            )
        for sample in samples:
            module = sample.labels.get("module", "platform")
            if sample.name == _REQUESTS:
                load.requests += sample.value
            elif sample.name == _CALLS:
                load.calls[module] = load.calls.get(module, 0.0) + sample.value
                method = module, sample.labels.get("method", "")
                load.methods[method] = load.methods.get(method, 0.0) + sample.value
            else:
                load.seconds[module] = max(load.seconds.get(module, 0.0), sample.value)
    return load


def _load(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        raise ScaffoldError(f"{file} is not there; --metrics takes a file or a URL") from None
    except UnicodeDecodeError:
        raise ScaffoldError(f"{file} is no text; pass what /metrics serves") from None


def _fetch(url: str, shown: str) -> str:
    from http.client import HTTPException
    from urllib.request import urlopen

    if not url.startswith(("http://", "https://")):
        raise ScaffoldError(f"{shown} is no HTTP address; --metrics takes a file or a URL")
    try:
        with urlopen(url, timeout=_SECONDS) as answer:
            content: bytes = answer.read(_LARGEST)
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise ScaffoldError(
            f"{shown} did not answer ({reason}); see whether the process runs, and on which port "
            "it says that its metrics are"
        ) from None
    return content.decode("utf-8", "replace")
