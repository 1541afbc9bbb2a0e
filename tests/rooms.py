"""The tests of the platform that a generated repository has, room by room."""

from generated import ROOT, Repository

ROOMS = {file.parent.name for file in (ROOT / "template/tests/platform").glob("*/test_*.py")}
LOWER = (("database",), ("cache", "flags", "jobs", "rest", "settings", "telemetry"))
"""What is tested in one process; to begin takes pytest longer than many of the tests take."""
UPPER = (
    ("auth", "carving", "migrations", "query_stats", "web"),
    ("development", "monitoring", "remote", "wiring"),
)


def run_rooms(repository: Repository, *rooms: str) -> None:
    """Run the tests of these rooms as the team runs them."""
    done = repository.make(
        "test-platform", f"only={' '.join(f'tests/platform/{r}' for r in rooms)}"
    )
    assert " passed" in done
