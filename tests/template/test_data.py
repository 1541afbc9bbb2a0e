"""The data of billing move to a server of their own, under orders and payments, and back.

ROWS=1000000 KILLS=30 make test-data
"""

import asyncio
import os
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from generated import ROOT, Generate
from replica import Server
from running import bearer
from services import Customers, Process
from two_databases import FILL, Move, execute, moving

pytestmark = [pytest.mark.data, pytest.mark.slow]
HERE = Path(__file__).parent
CUSTOMERS, TRIES = 6, 5
ROWS, KILLS = (int(os.environ.get(name, n)) for name, n in (("ROWS", 50_000), ("KILLS", 6)))
"""A million and thirty, where there is time."""
THINKING = 0.5
"""Seconds: what customers take of the processors, all other tests wait for."""
TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'billing'"


@pytest.fixture(scope="module")
def move(generate: Generate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Move]:
    shop = generate(example=True)
    shop.git("apply", str(HERE / "carved/carved.patch"))
    shop.commit("Take tx out of what ordering calls of billing")
    folder = tmp_path_factory.mktemp("data")
    with moving(shop, folder, WORKER_LOST_AFTER="2") as move:
        asyncio.run(execute(move.urls["main"], FILL.format(rows=ROWS)))
        yield move


@pytest.fixture
def load(move: Move) -> Iterator[Customers]:
    """Customers whose business is done and whose books balance in the end, in whichever databases."""
    headers = bearer(move.operator, "catalog:write", "billing:write")
    billing = move.site.billing.url
    load = Customers(
        move.site.shop.url,
        headers,
        thinking=THINKING,
        billing=billing,
        accounts=f"{billing}/billing/accounts",
        paying=THINKING,
    )
    with load.shopping(CUSTOMERS):
        load.succeed(40)
        yield load
    move.check_books(load)


def test_a_look_says_what_is_in_the_way_and_writes_nothing(move: Move) -> None:
    said = move.carve("look")
    assert said["is_clear"], said
    assert move.open_sides() == ["main"]


def test_a_copy_is_undone_and_begun_anew(move: Move) -> None:
    move.carve("copy")
    move.carve("stop")
    assert move.carve("status")["state"] == "here"
    move.carve("copy")
    move.migrate()
    assert move.carve("status")["state"] == "streaming"


def test_all_rows_move_under_load_and_no_request_fails(move: Move, load: Customers) -> None:
    unfailing(move, load, "cut")
    assert move.open_sides() == ["own"]
    load.succeed(100)
    assert move.carve("status")["state"] == "moved"


def test_what_was_written_since_comes_back_too(move: Move, load: Customers) -> None:
    unfailing(move, load, "back")
    assert move.open_sides() == ["main"]
    load.succeed(100)


def test_nobody_has_complained(move: Move) -> None:
    for each in (*move.site.callers, *move.site.service):
        log = each.log.read_text()
        assert "Traceback" not in log
        assert "[error" not in log


def test_whatever_is_killed_one_side_takes_writes(move: Move, load: Customers) -> None:
    """The command, at random moments; and then in turn a process of the shop, or a server."""
    chance = random.Random(KILLS)
    victims: list[Process | Server | None] = [
        None,
        None,
        move.site.billing,
        move.site.billing_worker,
        move.main,
        move.own,
    ]
    longest = 0.0
    for number in range(KILLS):
        began = time.monotonic()
        # A stream whose server was killed has failed once, of which it tells with exit code 1.
        state = move.carve("status", check=False)["state"]
        command = "cut" if state == "streaming" else "back"
        if number % 6 == 0:  # Unhindered, to know how long it takes.
            moved(move, command)
            longest = time.monotonic() - began
            command = "back" if command == "cut" else "cut"
        hit(move, victims[number % len(victims)], command, chance.uniform(0, longest))
        assert len(move.open_sides()) <= 1
        if not move.open_sides():
            moved(move, command)
        assert len(move.open_sides()) == 1
    load.succeed(40)


def test_it_is_confirmed_and_the_main_database_has_nothing_of_it(
    move: Move, load: Customers
) -> None:
    if move.carve("status", check=False)["state"] == "streaming":
        unfailing(move, load, "cut")
    move.carve("confirm", "--archive", "archive/billing")
    assert move.open_sides() == ["own"]
    load.succeed(40)
    move.migrate()
    assert asyncio.run(execute(move.urls["main"], TABLES)) == 0
    move.site.billing.restart()
    load.succeed(40)


def test_and_then_it_comes_home(move: Move, load: Customers) -> None:
    move.carve("copy", "--home")
    unfailing(move, load, "cut", "--home")
    assert move.open_sides() == ["main"]
    move.carve("confirm", "--home", "--archive", "archive/home")
    load.succeed(40)
    assert move.carve("status")["state"] == "here"


def test_each_command_of_the_runbook_was_typed_above(move: Move) -> None:
    page = (ROOT / "template/docs/carving-data.md.jinja").read_text("utf-8")
    blocks = re.findall(r"^ *```(\w*)\n(.*?)^ *```$", page, re.DOTALL | re.MULTILINE)
    commands = {line.strip() for kind, each in blocks if not kind for line in each.splitlines()}
    assert len(commands) > 8
    assert commands <= move.typed


def unfailing(move: Move, load: Customers, command: str, *options: str) -> None:
    """Move writes: requests wait meanwhile, and none fails."""
    since = len(load.answers)
    moved(move, command, *options)
    load.succeed(40)
    assert not [each for each in load.answers[since:] if each.has_failed], load.told()


def moved(move: Move, command: str, *options: str) -> None:
    """Run a command; again where it gives up, on a busy machine, as the runbook says."""
    for number in range(TRIES):
        if not move.carve(command, *options, check=number == TRIES - 1)["exit"]:
            return
        assert len(move.open_sides()) == 1


def hit(move: Move, victim: Process | Server | None, command: str, after: float) -> None:
    """Kill somebody in the middle of a command, or the command, and let everybody begin again."""
    if victim is None:
        move.disturbed(after, lambda process: process.kill(), command)
    elif isinstance(victim, Server):
        move.disturbed(after, lambda _: victim.stop(at_once=True), command)
        victim.start()
    else:
        move.disturbed(after, lambda _: victim.kill(), command)
        victim.start()
        if victim is move.site.billing:
            move.site.billing.wait()
