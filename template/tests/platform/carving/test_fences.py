"""A fence refuses each write of a module in a database, and nothing else."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from app.platform.carving.ends import End
from app.platform.carving.settling import make_gate, open_gate, reopen
from app.platform.database import change_gate, fence, FENCED, Gate
from app.platform.settings import Settings

pytestmark = pytest.mark.anyio
WRITES = (
    "INSERT INTO catalog.later VALUES (1)",
    "UPDATE catalog.later SET id = 2",
    "DELETE FROM catalog.later",
    "TRUNCATE catalog.later",
)


@pytest.fixture
async def end(settings: Settings) -> AsyncIterator[End]:
    end = End(False, settings.admin_url, settings.admin_url, "app carve")
    await end.begin()
    await end.session.execute("CREATE TABLE catalog.later (id int)")
    await make_gate(end, end, "catalog", Gate.OPEN)
    yield end
    end.session.terminate()


async def refused(end: End) -> set[str]:
    found = set()
    for statement in WRITES:
        try:
            await end.session.execute(statement)
        except asyncpg.PostgresError as error:
            found.add(str(error.sqlstate))
        else:
            found.add("done")
    return found


async def close(end: End) -> None:
    async with end.session.transaction():
        await end.session.execute(fence("catalog"))
        await end.session.execute(change_gate("catalog", Gate.CLOSED, was="'open'"))


async def test_all_writes_are_refused_while_the_gate_is_closed(end: End) -> None:
    assert await refused(end) == {"done"}
    await close(end)
    assert await refused(end) == {FENCED}
    with pytest.raises(asyncpg.PostgresError, match=r"catalog\.later: the data of catalog are not"):
        await end.session.execute(WRITES[0])
    await end.session.execute("UPDATE catalog.alembic_version SET version_num = version_num")
    await open_gate(end, "catalog", 5)
    assert await refused(end) == {"done"}


async def test_who_reads_is_not_waited_for(end: End) -> None:
    reader = await end.connect()
    await reader.execute("BEGIN; SELECT * FROM catalog.later")
    await close(end)
    await open_gate(end, "catalog", 5)
    await close(end)
    await reopen(end, "catalog")
    await end.session.execute(WRITES[0])
    reader.terminate()


async def test_a_gate_that_somebody_else_has_changed_is_not_opened(end: End) -> None:
    with pytest.raises(asyncpg.PostgresError, match="not as expected"):
        await open_gate(end, "catalog", 5)
    await close(end)
    await end.session.execute("UPDATE carving.gates SET state = 'away'")
    with pytest.raises(asyncpg.PostgresError, match="not as expected"):
        await reopen(end, "catalog")
    assert await refused(end) == {FENCED}
