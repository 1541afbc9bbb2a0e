"""The network between a worker and Postgres fails: it finds out, says so, and goes on."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from replica import free_port
from running import call, eventually
from tcp_proxy import TcpProxy

LOST_AFTER = 2
SETTINGS = {"WORKER_LOST_AFTER": str(LOST_AFTER), "WORKER_CONCURRENCY": "5"}
Query = Callable[..., object]


@pytest.fixture
def port() -> str:
    return str(free_port())


def runs(query: Query, number: int = 1) -> Callable[[], bool]:
    """Whether so many jobs are running."""
    statement = "SELECT count(*) FROM queue.pgqueuer WHERE status = 'picked'"
    return lambda: query(statement) == number


def test_a_worker_goes_on_however_its_connections_end(
    work, proxy: TcpProxy, query: Query, enqueue, times, port: str
) -> None:
    worker = work(**SETTINGS, METRICS_PORT=port)
    first = enqueue()
    eventually(lambda: times(first) == 1, 60)

    # Silence: what is open hears nothing any more; what is in hand is done once.
    waits, holds = enqueue(seconds=8), enqueue("hold", seconds=8)
    eventually(runs(query, 2))
    proxy.silence()
    after = enqueue()
    eventually(lambda: times(after) == 1)
    assert "The queue does not answer, trying again" in worker.log()
    eventually(lambda: "The queue answers again" in worker.log())

    # A reset, while new connections are slow; and many jobs on their way.
    proxy.slow_connect = 1
    many = [enqueue() for _ in range(10)]
    proxy.reset()
    many += [enqueue() for _ in range(10)]

    # A database that is away for a moment, and one that ends all sessions.
    with proxy.closed():
        many.append(enqueue())
        time.sleep(0.5)
    proxy.slow_connect = 0
    query(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    many.append(enqueue())
    eventually(lambda: query("SELECT count(*) FROM queue.pgqueuer") == 0, 60)
    assert [times(each) for each in (waits, holds, *many)] == [1] * (len(many) + 2)
    told = f"http://127.0.0.1:{port}"
    eventually(lambda: "The queue answered 0." in call(f"{told}/healthz")[1])
    assert call(f"{told}/healthz")[0] == 200
    assert "worker_queue_silence_seconds" in call(f"{told}/metrics")[1]
    assert "Traceback" not in worker.log()
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(60) == 0


def test_a_worker_that_hears_nothing_is_not_well_and_drains_its_jobs_when_it_is_stopped(
    work, proxy: TcpProxy, query: Query, enqueue, port: str, tmp_path: Path
) -> None:
    settings = {**SETTINGS, "WORKER_LOST_AFTER": "1", "WORKER_DRAIN_TIMEOUT": "8"}
    worker = work(**settings, METRICS_PORT=port)
    short, _long = (enqueue("linger", words=str(tmp_path / name)) for name in ("short", "long"))
    enqueue("hold", seconds=600)  # With a connection that does not answer.
    eventually(runs(query, 3), 60)
    with proxy.black_hole():
        eventually(lambda: call(f"http://127.0.0.1:{port}/healthz")[0] == 503)
        worker.process.send_signal(signal.SIGTERM)
        eventually(lambda: "Stopping: 3 jobs have 8 s to end" in worker.log())
        Path(short).touch()
        assert worker.process.wait(60) == 0
    assert f"lingered: {short}" in worker.log()
    assert "2 jobs did not end in time" in worker.log()
    assert "Traceback" not in worker.log(), worker.log()
