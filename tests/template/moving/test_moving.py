"""Data move under writes, are proved equal, and come back, with no rights but those of a managed Postgres."""

import asyncio
import json
from pathlib import Path

import pytest
from app.platform.carving import (
    CarvingError,
    Cut,
    End,
    Ends,
    State,
    begin_copy,
    confirm,
    connected,
    cut,
    differences,
    go_back,
    look,
    moving,
    prove,
    report,
    stop,
    watch_copy,
)
from app.platform.carving.settling import settle
from app.platform.carving.streams import publish

from .moving import (
    MODULE,
    PASSWORD,
    Server,
    Writer,
    databases,
    make_tables,
    open_sides,
    query,
    rows,
    try_to_write,
)

pytestmark = pytest.mark.anyio
PAUSE = 60.0
"""Seconds that a cut may take: many, on a busy machine."""
ENTRIES = f"SELECT count(*) FROM {MODULE}.entries"


def say(_text: str) -> None:
    pass


async def copy(ends: Ends, *, to_own: bool = True) -> None:
    source, target = ends.toward(own=to_own)
    async with connected(ends, MODULE):
        await begin_copy(ends, to_own, MODULE, lambda: make_tables(target), say)
        async for _ in watch_copy(source, target, MODULE):
            pass


async def move(ends: Ends, *, to_own: bool = True, **options: object) -> Cut:
    async with connected(ends, MODULE):
        return await cut(ends, to_own, Cut(module=MODULE, **{"pause": PAUSE, **options}), say)  # type: ignore[arg-type]


async def state(ends: Ends) -> tuple[State, list[str]]:
    async with connected(ends, MODULE):
        found = await report(ends, MODULE)
    return State(found["state"]), found["wrong"]


async def test_data_move_under_writes_and_come_back_with_all_that_was_written_since(
    ends: Ends,
) -> None:
    async with Writer(Ends(ends.main, ends.own)) as writer:
        await copy(ends)
        assert await state(ends) == (State.STREAMING, [])
        done = await move(ends)
        assert (done.took < PAUSE, differences(done.compared)) == (True, "")
        assert {each.table for each in done.compared} == {"accounts", "entries", "monthly"}
        assert await state(ends) == (State.MOVED, [])
        assert (await open_sides(ends), await try_to_write(ends.main.url)) == (["own"], "SCV01")
        async with connected(ends, MODULE):
            assert not differences(await prove(ends, MODULE, 10, say))
        back = await move(ends, to_own=False)
        assert not differences(back.compared)
        assert (await open_sides(ends), await try_to_write(ends.own.url)) == (["main"], "SCV01")
    assert writer.written == await rows(ends.main.url)
    assert await state(ends) == (State.STREAMING, [])


async def test_rows_of_every_kind_arrive_as_they_are(ends: Ends) -> None:
    """Large ones of which another column changes, enums, ranges, identities that nobody gives."""
    for statement in (
        "CREATE TYPE {0}.mood AS ENUM ('a', 'ä b')",
        "CREATE TABLE {0}.kinds (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mood {0}.mood, moods {0}.mood[], "
        "large text, n int, during tstzrange, at timestamptz DEFAULT 'infinity', f float8, c char(5))",
        "ALTER TABLE {0}.kinds ALTER COLUMN large SET STORAGE EXTERNAL",
    ):
        for end in (ends.main, ends.own):
            session = await end.connect()
            if end is ends.own and "TYPE" in statement and "ALTER" not in statement:
                await make_tables(end)
            await session.execute(f"SET ROLE app__{MODULE}__owner; {statement.format(MODULE)}")
            await session.close()
    fill = (
        f"INSERT INTO {MODULE}.kinds (mood, moods, large, n, during, f, c) SELECT 'ä b', ARRAY['a', NULL]::{MODULE}.mood[], "
        "repeat(md5(n::text), 3000), n, '[2026-01-01,)', 'NaN', 'a' FROM generate_series(1, 50) AS n"
    )
    await query(ends.main.url, fill)
    await copy(ends)
    await query(ends.main.url, fill)
    await query(ends.main.url, f"UPDATE {MODULE}.kinds SET n = -n, f = '-0'")
    await query(ends.main.url, f"DELETE FROM {MODULE}.kinds WHERE id % 7 = 0")
    for to_own in (True, False):
        assert not differences((await move(ends, to_own=to_own)).compared)
        opened = ends.own if to_own else ends.main
        await query(opened.url, f"UPDATE {MODULE}.kinds SET id = DEFAULT WHERE id % 3 = 0")
    assert not differences((await move(ends)).compared)


async def _is_binary(ends: Ends) -> object:
    return await query(
        ends.own.url,
        "SELECT subbinary FROM pg_subscription WHERE subdbid = "
        "(SELECT oid FROM pg_database WHERE datname = current_database())",
    )


async def test_what_is_there_comes_in_binary_and_what_is_written_since_as_text(ends: Ends) -> None:
    """As text it fits a column that is wider on one side already."""
    async with connected(ends, MODULE):
        await begin_copy(ends, True, MODULE, lambda: make_tables(ends.own), say)
    assert await _is_binary(ends)
    await copy(ends)  # Goes on where the first was killed.
    assert not await _is_binary(ends)
    wider = f"ALTER TABLE {MODULE}.entries ALTER n TYPE bigint"
    await query(ends.own.url, wider)
    await query(ends.main.url, f"INSERT INTO {MODULE}.entries (account, n) VALUES (1, 1000000)")
    for _ in range(600):
        if await rows(ends.own.url):
            break
        await asyncio.sleep(0.1)
    assert await rows(ends.own.url) == {1_000_000}
    await query(ends.main.url, wider)
    assert not differences((await move(ends)).compared)


async def test_a_stream_that_nobody_waited_for_brings_text_from_the_next_command_on(
    ends: Ends,
) -> None:
    async with connected(ends, MODULE):
        await begin_copy(ends, True, MODULE, lambda: make_tables(ends.own), say)
    for _ in range(300):
        if (await state(ends))[0] is State.STREAMING:
            break
        await asyncio.sleep(0.1)
    assert await _is_binary(ends)
    async with connected(ends, MODULE):
        await settle(ends, MODULE)
    assert not await _is_binary(ends)
    assert not differences((await move(ends)).compared)


@pytest.mark.parametrize("has_begun", [False, True])
async def test_the_name_of_a_table_arrives_as_a_name(ends: Ends, has_begun: bool) -> None:
    """In binary it is a number, which the other database gives to another table, or to none."""
    await make_tables(ends.own)
    if has_begun:
        async with connected(ends, MODULE):
            await begin_copy(ends, True, MODULE, lambda: make_tables(ends.own), say)
    new = f"CREATE TABLE {MODULE}.named (id int PRIMARY KEY, tables regclass[])"
    for end in (ends.main, ends.own):
        await query(end.url, new)
    fill = f"INSERT INTO {MODULE}.named VALUES (1, ARRAY['{MODULE}.named']::regclass[])"
    await query(ends.main.url, fill)
    await copy(ends)
    assert await query(ends.own.url, f"SELECT tables::text FROM {MODULE}.named") == (
        f"{{{MODULE}.named}}"
    )


async def test_who_holds_no_lock_is_refused_and_loses_nothing(ends: Ends) -> None:
    await copy(ends)
    async with Writer(ends, is_rude=True) as rude, Writer(ends) as writer:
        for to_own in (True, False, True):
            assert not differences((await move(ends, to_own=to_own)).compared)
    assert rude.written | writer.written == await rows(ends.own.url)


async def test_sequences_go_on_and_keys_are_known_on_the_other_side(ends: Ends) -> None:
    await copy(ends)
    await query(
        ends.main.url, f"SELECT max(nextval('{MODULE}.entries_id_seq')) FROM generate_series(1, 50)"
    )
    done = await move(ends)
    assert done.sequences == 3
    assert await query(ends.own.url, f"SELECT nextval('{MODULE}.entries_id_seq')") == 2051
    assert await query(ends.own.url, f"SELECT nextval('{MODULE}.loose')") == -11
    keys = "SELECT count(*) FROM requests.idempotency_keys"
    assert await query(ends.own.url, keys) == 20
    assert await query(ends.own.url, f"{keys} WHERE module = 'other'") == 0
    await query(ends.own.url, "UPDATE requests.idempotency_keys SET status = 201 WHERE key = '3'")
    await move(ends, to_own=False)
    status = "SELECT status FROM requests.idempotency_keys WHERE key = '3'"
    assert await query(ends.main.url, status) == 201


async def test_a_confirmed_move_leaves_an_archive_and_goes_home_by_a_copy(
    ends: Ends, tmp_path: Path
) -> None:
    await copy(ends)
    async with connected(ends, MODULE):
        with pytest.raises(CarvingError, match="takes the writes"):
            await confirm(ends, True, MODULE, None, say)
    await move(ends)
    count = await query(ends.own.url, ENTRIES)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    async with connected(ends, MODULE):
        with pytest.raises(CarvingError, match="is not empty"):
            await confirm(ends, True, MODULE, tmp_path / "full", say)
        await confirm(ends, True, MODULE, tmp_path / "archive", say)
    said = json.loads((tmp_path / "archive" / "archive.json").read_text())
    assert said["tables"]["entries"]["rows"] == count
    assert await state(ends) == (State.CONFIRMED, [])
    await copy(ends, to_own=False)
    await move(ends, to_own=False)
    async with connected(ends, MODULE):
        await confirm(ends, False, MODULE, None, say)
    assert await state(ends) == (State.HERE, [])
    assert await query(ends.main.url, ENTRIES) == count
    for end in (ends.main, ends.own):
        left = "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"
        assert await query(end.url, left) == 0


async def test_a_copy_is_undone_and_begun_again(ends: Ends) -> None:
    await copy(ends)
    async with connected(ends, MODULE):
        await stop(ends, True, MODULE, say)
    assert await state(ends) == (State.HERE, [])
    assert await query(ends.own.url, f"SELECT to_regnamespace('{MODULE}')::text") is None
    await copy(ends)
    assert await state(ends) == (State.STREAMING, [])


async def test_nothing_of_the_own_side_is_dropped_while_jobs_are_left_in_its_queue(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.platform.carving.ready._CARRIED", 0.1)
    await copy(ends)
    await move(ends)
    left = "CREATE SCHEMA queue; CREATE TABLE queue.pgqueuer AS SELECT 1 AS id"
    session = await ends.own.connect()
    await session.execute(left)
    await move(ends, to_own=False)
    async with connected(ends, MODULE):
        for give_up in (
            stop(ends, True, MODULE, say),
            confirm(ends, False, MODULE, None, say),
        ):
            with pytest.raises(CarvingError, match="1 jobs are left in the queue of the own"):
                await give_up
        assert await query(ends.own.url, ENTRIES) == 2000
        await session.execute("TRUNCATE queue.pgqueuer")
        await confirm(ends, False, MODULE, None, say)
    await session.close()


async def test_what_is_unequal_goes_back_by_itself_and_is_never_confirmed(ends: Ends) -> None:
    await copy(ends)
    for statement in (
        f"ALTER TABLE {MODULE}.accounts DISABLE TRIGGER carving_fence",
        f"UPDATE {MODULE}.accounts SET owner = 'another' WHERE id = 7",
        f"ALTER TABLE {MODULE}.accounts ENABLE TRIGGER carving_fence",
    ):
        await query(ends.own.url, statement)
    with pytest.raises(
        CarvingError, match="accounts: 500 rows here, 500 rows there, checksums differ"
    ):
        await move(ends, proof_first=True)
    assert await open_sides(ends) == ["main"]
    done = await move(ends)
    assert "accounts" in differences(done.compared)
    async with connected(ends, MODULE):
        with pytest.raises(CarvingError, match="were not equal"):
            await confirm(ends, True, MODULE, None, say)
        await go_back(ends, True, done, say)
    assert await open_sides(ends) == ["main"]
    assert await query(ends.main.url, f"SELECT owner FROM {MODULE}.accounts WHERE id = 7") == "ä7"


async def test_new_tables_and_columns_are_noticed(ends: Ends) -> None:
    await copy(ends)
    new = f"SET ROLE app__{MODULE}__owner; CREATE TABLE {MODULE}.later (id int PRIMARY KEY)"
    for end in (ends.main, ends.own):
        session = await end.connect()
        await session.execute(new)
        await session.close()
    await query(ends.main.url, f"INSERT INTO {MODULE}.later VALUES (1)")
    _, wrong = await state(ends)
    assert "New tables are not copied yet: later." in wrong[-1]
    with pytest.raises(CarvingError, match="later"):
        await move(ends)
    await copy(ends)
    await query(ends.main.url, f"ALTER TABLE {MODULE}.later ADD COLUMN more text")
    with pytest.raises(CarvingError, match=r"differ on both sides: later\.more"):
        await move(ends)
    await query(ends.main.url, f"INSERT INTO {MODULE}.later VALUES (2, 'too early')")
    for _ in range(600):
        if (await _stream(ends))["failed"]:
            break
        await asyncio.sleep(0.1)
    await query(ends.own.url, f"ALTER TABLE {MODULE}.later ADD COLUMN more text")
    for _ in range(600):  # It tries again after a while.
        if (await _stream(ends))["runs"]:
            break
        await asyncio.sleep(0.1)
    await move(ends)
    assert await query(ends.own.url, f"SELECT more FROM {MODULE}.later WHERE id = 2") == "too early"


async def _stream(ends: Ends) -> dict[str, int]:
    async with connected(ends, MODULE):
        return dict((await report(ends, MODULE))["stream"])


async def test_a_transaction_that_does_not_end_gives_the_cut_up_and_is_named(ends: Ends) -> None:
    await copy(ends)
    slow = await ends.main.connect()
    await slow.execute(f"BEGIN; UPDATE {MODULE}.accounts SET owner = 'slow' WHERE id = 3")
    named = rf"pid {slow.get_server_pid()} .* The main database takes the writes"
    with pytest.raises(CarvingError, match=named):  # The slot of the way back waits for it as well.
        await move(ends, patience=1.0)
    with pytest.raises(CarvingError, match=f"Given up after .* {named}"):
        await move(ends, pause=0.5, with_way_back=False)
    assert (await open_sides(ends), await try_to_write(ends.main.url)) == (["main"], None)
    await slow.execute("COMMIT")
    await move(ends)
    assert await query(ends.own.url, f"SELECT owner FROM {MODULE}.accounts WHERE id = 3") == "slow"
    await slow.close()


async def test_the_second_of_two_operators_is_refused_and_told_of_the_first(ends: Ends) -> None:
    await copy(ends)
    async with connected(ends, MODULE):
        with pytest.raises(CarvingError, match=r"Somebody else moves the data of ledger: pid \d+"):
            async with connected(_again(ends), MODULE):
                pass


def _again(ends: Ends) -> Ends:
    return Ends(
        *(
            End(each.is_own, each.url, each.reached_at, each.command)
            for each in (ends.main, ends.own)
        )
    )


async def test_a_third_database_is_not_taken_for_the_own_one(ends: Ends, cluster: Server) -> None:
    await copy(ends)
    await move(ends)
    other = await databases(cluster, cluster)
    with pytest.raises(CarvingError, match="knows another database as the other side"):
        await state(Ends(ends.main, other.own))
    assert await open_sides(ends) == ["own"]
    with pytest.raises(CarvingError, match="name the same database"):
        await state(Ends(other.main, End(True, other.main.url, other.main.url, "")))
    for own, known in ((ends.own, [MODULE]), (other.own, [])):
        pair = _again(Ends(ends.main, own))
        for end in (pair.main, pair.own):
            await end.begin()
        assert await moving(pair) == known
        for end in (pair.main, pair.own):
            await end.session.close()


async def test_a_password_that_has_changed_is_brought_to_the_stream_by_another_copy(
    ends: Ends,
) -> None:
    await copy(ends)
    stream = f'"{ends.main.stream_of(MODULE)}"'
    before = ends.main.conninfo().replace(PASSWORD, "the one before").replace("'", "''")
    await query(ends.own.url, f"ALTER SUBSCRIPTION {stream} CONNECTION '{before}'")
    await query(ends.main.url, f"INSERT INTO {MODULE}.monthly VALUES ('2026-01-01', 1000000)")
    await copy(ends)
    await move(ends)
    assert await query(ends.own.url, f"SELECT max(n) FROM {MODULE}.monthly") == 1000000


async def test_a_slot_that_is_gone_is_told_of_and_the_copy_begins_anew(ends: Ends) -> None:
    await copy(ends)
    async with connected(ends, MODULE):
        slot = ends.main.stream_of(MODULE)
        await ends.main.session.execute(f"DROP PUBLICATION carving_{MODULE}")
    assert (
        "The publication of the stream is gone from the main database" in (await state(ends))[1][0]
    )
    with pytest.raises(CarvingError, match="publication of the stream is gone"):
        await copy(ends)
    async with connected(ends, MODULE):
        await publish(ends.main, MODULE)
        await ends.own.session.execute(f'ALTER SUBSCRIPTION "{slot}" DISABLE')
        for _ in range(600):
            if not await query(
                ends.main.url, f"SELECT active FROM pg_replication_slots WHERE slot_name = '{slot}'"
            ):
                break
            await asyncio.sleep(0.1)
        await ends.main.session.execute(f"SELECT pg_drop_replication_slot('{slot}')")
    found, wrong = await state(ends)
    assert found is State.STREAMING
    assert "The slot of the stream is gone" in wrong[0]
    with pytest.raises(CarvingError, match="is gone"):
        await move(ends)
    async with connected(ends, MODULE):
        await stop(ends, True, MODULE, say)
    await copy(ends)
    await move(ends)


async def test_what_is_in_the_way_is_found_before_anything_is_changed(ends: Ends) -> None:
    async with connected(ends, MODULE):
        found = await look(ends, True, MODULE)
        assert found.is_clear, found.findings
        assert {each.name for each in found.tables} >= {"accounts", "entries", "monthly_1"}
    for statement in (
        f"CREATE TABLE {MODULE}.keyless (account bigint REFERENCES {MODULE}.accounts ON DELETE CASCADE)",
        f"CREATE UNLOGGED TABLE {MODULE}.unlogged (id int PRIMARY KEY)",
        f"CREATE TABLE {MODULE}.whole (a int, b int GENERATED ALWAYS AS (a + 1) STORED)",
        f"ALTER TABLE {MODULE}.whole REPLICA IDENTITY FULL",
        f"CREATE TABLE public.outside (id int PRIMARY KEY, account bigint REFERENCES {MODULE}.accounts)",
    ):
        await query(ends.main.url, statement)
    ends.main.reached_at = ends.main.url.replace("long-enough", "wrong")
    async with connected(ends, MODULE):
        found = await look(ends, True, MODULE)
    said = "\n".join(each.what for each in found.findings if each.blocks)
    for each in (
        "ledger.keyless has no primary key: its UPDATE and DELETE would fail once it is published, and "
        "so would DELETE of ledger.accounts",
        "ledger.unlogged is unlogged",
        "ledger.whole has REPLICA IDENTITY FULL and computed columns",
        "leads from outside to ledger.accounts",
        "the own database does not reach the main database: ",
    ):
        assert each in said
    assert "wrong" not in said
