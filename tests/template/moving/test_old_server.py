"""From PostgreSQL 15, as Debian has it, to the newer one of the wheel: with a superuser there and back, and
without one only there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from app.platform.carving import (
    CarvingError,
    Cut,
    Ends,
    begin_copy,
    connected,
    cut,
    differences,
    look,
    watch_copy,
)

from .moving import MODULE, Server, Writer, databases, make_tables, rows, server

pytestmark = pytest.mark.anyio
DEBIAN = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if not DEBIAN.is_dir():
        pytest.skip(f"needs Debian's PostgreSQL in {DEBIAN}: apt-get install postgresql")
    folder = tmp_path_factory.mktemp("old")
    folder.chmod(0o755)
    with server(folder / "one", DEBIAN) as found:
        yield found


def say(_text: str) -> None:
    pass


async def copy(ends: Ends) -> None:
    await begin_copy(ends, True, MODULE, lambda: make_tables(ends.own), say)
    async for _ in watch_copy(ends.main, ends.own, MODULE):
        pass


async def test_without_a_superuser_there_is_no_way_back_to_15(old: Server, cluster: Server) -> None:
    ends = await databases(old, cluster)
    async with connected(ends, MODULE), Writer(ends) as writer:
        found = await look(ends, True, MODULE)
        assert found.is_clear, found.findings
        (of_way_back,) = [each.what for each in found.findings if each.of_way_back]
        assert "only a superuser may follow another database" in of_way_back
        await copy(ends)
        with pytest.raises(CarvingError, match="--without-way-back"):
            await cut(ends, True, Cut(module=MODULE, pause=60), say)
        done = await cut(ends, True, Cut(module=MODULE, pause=60, with_way_back=False), say)
        assert not differences(done.compared)
    assert writer.written == await rows(ends.own.url)


async def test_a_superuser_goes_to_a_newer_server_and_back(old: Server, cluster: Server) -> None:
    ends = await databases(old, cluster, user="postgres")
    async with Writer(ends) as writer:
        async with connected(ends, MODULE):
            await copy(ends)
        for to_own in (True, False, True):
            async with connected(ends, MODULE):
                done = await cut(ends, to_own, Cut(module=MODULE, pause=60), say)
            assert not differences(done.compared)
    assert writer.written == await rows(ends.own.url)
