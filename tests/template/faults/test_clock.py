"""The clock of a machine is wrong: what it does is right, and it says whose clock differs."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from generated import UV
from running import eventually

YEAR = 365 * 86_400
LOST_AFTER = {"WORKER_LOST_AFTER": "20"}
"""A worker that the machine keeps waiting is not lost; one whose clock is wrong by a year would be."""
WRONG = """
import os, time, time_machine

time_machine.travel(time.time() + float(os.environ["CLOCK_AHEAD"]), tick=True).start()
"""


@pytest.fixture(scope="session")
def wrong_by(tmp_path_factory: pytest.TempPathFactory) -> Callable[[float], dict[str, str]]:
    """Settings of a process whose clock is so many seconds ahead, in all its Python."""
    folder = tmp_path_factory.mktemp("clock")
    subprocess.run(
        [UV, "pip", "install", "--quiet", "--target", folder, "time-machine>=3.2,<4"], check=True
    )
    (Path(folder) / "sitecustomize.py").write_text(WRONG)
    return lambda seconds: {"PYTHONPATH": str(folder), "CLOCK_AHEAD": str(seconds)}


@pytest.mark.parametrize("seconds", [YEAR, -YEAR])
def test_workers_whose_clock_is_wrong_run_each_job_once_and_take_none_from_others(
    work, wrong_by, query, enqueue, times, seconds: float, tmp_path: Path
) -> None:
    right = work(**LOST_AFTER)
    held = enqueue("linger", words=str(tmp_path / "end"))
    eventually(
        lambda: query("SELECT count(*) FROM queue.pgqueuer WHERE status = 'picked'") == 1, 60
    )
    wrong = work(**wrong_by(seconds), **LOST_AFTER)
    eventually(lambda: "clock" in wrong.log(), 60)
    many = [enqueue() for _ in range(20)]
    eventually(lambda: [times(each) for each in many] == [1] * 20, 60)
    Path(held).touch()
    eventually(lambda: query("SELECT count(*) FROM queue.pgqueuer") == 0, 60)
    assert (right.log() + wrong.log()).count(f"lingered: {held}") == 1
    assert query("SELECT count(*) FROM queue.pgqueuer_schedules WHERE last_run > now()") == 0


def test_a_web_server_whose_clock_is_behind_names_the_clock_to_who_brings_a_token(
    serve, wrong_by
) -> None:
    web = serve(**wrong_by(-3600))
    answer = web.client.get("/catalog/items")
    assert answer.status_code == 401
    assert "clock of this server" in answer.text
