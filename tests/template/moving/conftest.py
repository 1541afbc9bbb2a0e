"""One server for all tests of this folder, on which streams may run."""

from collections.abc import AsyncIterator, Iterator

import pytest
from app.platform.carving import Ends
from app.platform.carving.streams import drop_stream

from .moving import MODULE, databases, server
from .replica import Server


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("cluster")
    folder.chmod(0o755)
    with server(folder / "one") as found:
        yield found


@pytest.fixture
async def ends(cluster: Server) -> AsyncIterator[Ends]:
    """A main database with rows, and an empty own one; what streams between them ends with the test."""
    made = await databases(cluster, cluster)
    yield made
    for end in (made.main, made.own):
        await end.begin()
    for source, target in ((made.main, made.own), (made.own, made.main)):
        await drop_stream(source, target, MODULE)
    for end in (made.main, made.own):
        await end.session.close()


@pytest.fixture(autouse=True)
def _application() -> None:
    """These tests bring their own tables."""
