"""One server for all tests of this folder, on which streams may run."""

from collections.abc import Iterator

import pytest

from .moving import server
from .replica import Server


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("cluster")
    folder.chmod(0o755)
    with server(folder / "one") as found:
        yield found


@pytest.fixture(autouse=True)
def _application() -> None:
    """These tests bring their own tables."""
