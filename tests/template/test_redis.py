"""A generated repository whose processes share a cache in a real Redis (Debian's redis-server)."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from generated import ROOT, Repository
from replica import free_port

pytestmark = pytest.mark.system

HERE = Path(__file__).parent


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    program = shutil.which("redis-server")
    if not program:
        pytest.fail("this test needs Debian's redis-server")
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    process = subprocess.Popen([program, *options], cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        with socket.socket() as probe:
            while probe.connect_ex(("127.0.0.1", port)):
                assert time.monotonic() < deadline
                time.sleep(0.01)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.parametrize("name", ["test_cache.py", "test_shared_cache.py"])
def test_a_cache_in_redis_holds_what_one_in_memory_promises(
    shop: Repository, redis_url: str, name: str
) -> None:
    folder = "tests/platform/cache"
    for file in [*(HERE / "redis").glob("*.py"), ROOT / "tests" / "replica.py"]:
        shutil.copy(file, shop.path / folder)
    environment = {**shop.environment, "CACHE_URL": redis_url}
    done = Repository(shop.path, environment).pytest(f"{folder}/{name}")
    assert " passed" in done.stdout


def test_the_application_serves_with_a_cache_in_redis(
    example_with_redis: Repository,
) -> None:
    """The example's own tests, its catalog's cache in Redis."""
    assert " passed" in example_with_redis.pytest("src/app/modules/catalog").stdout


@pytest.fixture
def example_with_redis(example: Repository, redis_url: str) -> Repository:
    return Repository(example.path, {**example.environment, "CACHE_URL": redis_url})
