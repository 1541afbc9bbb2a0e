"""Wiring: tiny programs, and what is said of them."""

import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database.database import Database, Tx
from app.platform.database.errors import TransactionError
from app.platform.database.transaction import view_of
from app.platform.jobs.events import Events
from app.platform.jobs.worker import Worker
from app.platform.settings.settings import Settings
from app.platform.wiring.discovery import discover
from app.platform.wiring.module_toml import WiringError
from app.platform.wiring.wiring import wire

Write = Callable[..., ModuleType]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(**modules: tuple[str, str]) -> ModuleType:
        """Write a package `planted`; each module is its dependencies and its `build`."""
        (tmp_path / "planted").mkdir()
        (tmp_path / "planted/__init__.py").touch()
        for name, (depends_on, build) in modules.items():
            folder = tmp_path / "planted" / name
            folder.mkdir()
            interface = f'class {name.title()}:\n    """{name}"""\n'
            (folder / "__init__.py").write_text(interface)
            (folder / "module.toml").write_text(f'owner = "@a/b"\ndepends_on = [{depends_on}]\n')
            (folder / "wiring.py").write_text(
                "from app.platform.database.database import Database\n"
                "from app.platform.jobs.events import Events\n"
                "from app.platform.wiring.modules import Module\n"
                + "".join(f"from planted.{m} import {m.title()}\n" for m in modules)
                + f"def build{build or ': ...'}\n"
                + "module = Module(build)\n"
            )
        for loaded in [each for each in sys.modules if each.split(".")[0] == "planted"]:
            del sys.modules[loaded]
        return import_module("planted")

    return write


def test_modules_come_with_their_dependencies_first(write: Write) -> None:
    package = write(
        a=('"b"', "(b: B) -> A: return A()"),
        b=('"c"', "(c: C, db: Database) -> B: return B()"),
        c=("", "() -> C: return C()"),
    )
    assert [folder.name for folder in discover(package)] == ["c", "b", "a"]


async def test_each_module_receives_what_its_build_asks_for(
    write: Write, engine: AsyncEngine
) -> None:
    package = write(
        a=('"b"', "(peer: B, db: Database, e: Events) -> A: build.given = peer, db, e; return A()"),
        b=("", "(db: Database) -> B: return B()"),
    )
    folders = discover(package)
    wired = wire(folders, engine)
    peer, database, events = given("a")
    b = interface("b")
    assert peer is wired[b]
    assert events is wired[Events]
    assert database._module == "a"


@pytest.mark.parametrize(
    ("modules", "said"),
    [
        (
            {"a": ('"b"', "(b: B) -> A: ..."), "b": ('"a"', "(a: A) -> B: ...")},
            r"in a circle: (a → b → a|b → a → b)",
        ),
        ({"a": ("", "(x: int) -> A: ...")}, r"a: nothing provides `x: int`"),
        ({"a": ("", "(x) -> A: ...")}, r"a: the parameter `x` has no type"),
        ({"a": ("", "(): ...")}, r"a/wiring.py: `build` must say which interface it returns"),
        (
            {"a": ("", "(b: B) -> A: ..."), "b": ("", "() -> B: ...")},
            r"wiring.py takes from b, which depends_on in a/module.toml does not name",
        ),
        ({"a": ('"z"', "() -> A: ...")}, r"a/module.toml: depends_on names z, which is no module"),
    ],
)
def test_what_does_not_fit_together_is_said(
    write: Write, modules: dict[str, tuple[str, str]], said: str
) -> None:
    with pytest.raises(WiringError, match=said):
        discover(write(**modules))


def test_a_module_without_module_toml_is_named(write: Write) -> None:
    package = write(a=("", "() -> A: ..."))
    (Path(package.__path__[0]) / "a/module.toml").unlink()
    with pytest.raises(WiringError, match=r"a/module.toml must say"):
        discover(package)


@pytest.mark.parametrize(
    ("wiring", "said"),
    [
        ("import stripe_of_old", r"a cannot be imported: ModuleNotFoundError: .*wiring.py, line 1"),
        ("def build(: ...", "a cannot be imported: SyntaxError"),
        ("nonsense", "a cannot be imported: NameError"),
        ("module = 1", r"a/wiring.py must define `module = Module"),
    ],
)
def test_a_module_that_cannot_be_imported_is_named(write: Write, wiring: str, said: str) -> None:
    package = write(a=("", "() -> A: ..."))
    (Path(package.__path__[0]) / "a/wiring.py").write_text(wiring)
    with pytest.raises(WiringError, match=said):
        discover(package)


async def test_an_implementation_that_lacks_a_method_is_named(
    write: Write, engine: AsyncEngine
) -> None:
    package = write(a=("", "() -> A: return object()"))
    (Path(package.__path__[0]) / "a/__init__.py").write_text(
        "class A:\n    def sell(self) -> None: ...\n"
    )
    with pytest.raises(WiringError, match=r"a: object lacks `sell`, which A promises"):
        wire(discover(package), engine)


def test_depends_on_must_be_a_list(write: Write) -> None:
    package = write(a=("", "() -> A: ..."))
    (Path(package.__path__[0]) / "a/module.toml").write_text('owner = "@a/b"\ndepends_on = "b"')
    with pytest.raises(WiringError, match="depends_on is no list"):
        discover(package)


@pytest.mark.parametrize("extensions", ['"citext"', "[1]", "['x; DROP TABLE y']"])
def test_extensions_must_be_a_list_of_names(write: Write, extensions: str) -> None:
    package = write(a=("", "() -> A: ..."))
    with (Path(package.__path__[0]) / "a/module.toml").open("a") as file:
        file.write(f"extensions = {extensions}\n")
    with pytest.raises(
        WiringError, match=r"a/module.toml must say .* extensions is no list of names"
    ):
        discover(package)


def test_a_module_without_wiring_is_named(write: Write) -> None:
    package = write(a=("", "() -> A: ..."))
    (Path(package.__path__[0]) / "a/wiring.py").unlink()
    with pytest.raises(WiringError, match=r"a/wiring.py must define"):
        discover(package)


async def test_two_modules_cannot_provide_the_same_interface(
    write: Write, engine: AsyncEngine
) -> None:
    package = write(a=("", "() -> A: ..."), b=("", "() -> A: ..."))
    with pytest.raises(WiringError, match=r"a and b both provide A"):
        discover(package)


EVENT = "@dataclass(frozen=True)\nclass Happened(Event):\n    what: str\n"


CHAIN = {
    "a": ('"b", "c"', "(b: B, c: C) -> A: build.given = (b, c); return A()"),
    "b": ('"d"', "(d: D) -> B: build.given = d; return B()"),
    "c": ("", "() -> C: return C()"),
    "d": ("", "() -> D: return D()"),
    "e": ('"a"', "(a: A) -> E: raise AssertionError"),
}
"""a needs b and c, b needs d, and e, which needs a, would fail if it were built."""


def interface(name: str) -> type:
    return vars(import_module(f"planted.{name}"))[name.upper()]  # type: ignore[no-any-return]


def given(name: str) -> Any:
    """What the `build` of a module was called with."""
    return import_module(f"planted.{name}.wiring").build.given


async def test_one_module_is_built_with_exactly_what_it_depends_on(
    write: Write, engine: AsyncEngine
) -> None:
    folders = [
        replace(folder, declaration=replace(folder.declaration, routes=lambda: APIRouter()))
        for folder in discover(write(**CHAIN))
    ]
    wired = wire(folders, engine, only=interface("b"))
    assert [folder.name for folder in wired.folders] == ["d", "b"]
    assert list(wired.routers) == ["d", "b"]
    assert given("b") is wired[interface("d")]
    with pytest.raises(WiringError, match="A is not part of what was wired"):
        wired[interface("a")]


async def test_a_fake_stands_for_a_module_and_what_only_that_needs(
    write: Write, engine: AsyncEngine
) -> None:
    folders = discover(write(**CHAIN))
    wired = wire(folders, engine, only=interface("a"), fakes={interface("b"): interface("b")()})
    assert [folder.name for folder in wired.folders] == ["c", "a"]
    assert given("a") == (wired[interface("b")], wired[interface("c")])


async def test_fakes_alone_replace_only_what_they_fake(write: Write, engine: AsyncEngine) -> None:
    folders = discover(write(**CHAIN))
    wired = wire(folders, engine, fakes={interface("e"): interface("e")()})
    assert [folder.name for folder in wired.folders] == [each.name for each in folders[:-1]]


async def test_what_no_module_provides_is_neither_built_nor_faked(
    write: Write, engine: AsyncEngine
) -> None:
    folders = discover(write(**CHAIN))
    with pytest.raises(WiringError, match="No module provides int"):
        wire(folders, engine, only=int)
    with pytest.raises(WiringError, match="No module provides int"):
        wire(folders, engine, fakes={int: 1})


async def test_a_fake_keeps_to_its_interface_and_to_the_rules_of_transactions(
    write: Write, engine: AsyncEngine
) -> None:
    package = write(a=("", "() -> A: raise AssertionError"))
    (Path(package.__path__[0]) / "a/__init__.py").write_text(
        "from app.platform.database.database import Tx\n"
        "class A:\n"
        "    async def sell(self, tx: Tx) -> object: ...\n"
        "    async def sold(self) -> int: ...\n"
    )

    class FakeA:
        async def sell(self, tx: Tx) -> object:
            return tx

        async def sold(self) -> int:
            return 1

    folders = discover(package)
    fake: Any = wire(folders, engine, fakes={interface("a"): FakeA()})[interface("a")]
    async with Database(engine, "b").transaction() as tx:
        assert await fake.sell(tx) is view_of(tx, "a")
        with pytest.raises(TransactionError, match=r"a\.sold does not take `tx`"):
            await fake.sold()
    assert await fake.sold() == 1
    with pytest.raises(WiringError, match=r"a: int lacks `sell`"):
        wire(folders, engine, fakes={interface("a"): 1})


def write_events(package: ModuleType, event: str, handler: str) -> None:
    """Let `a` publish an event, and `b` listen to it."""
    folder = Path(package.__path__[0])
    for name, text in (
        (
            "a/__init__.py",
            "from dataclasses import dataclass\nfrom app.platform.jobs.events import Event\n"
            f"class A:\n    pass\n{event}",
        ),
        (
            "b/wiring.py",
            "from app.platform.database.database import Database, Tx\n"
            "from app.platform.wiring.modules import Module\n"
            "from planted.a import A, Happened\nfrom planted.b import B\n"
            "heard = []\n"
            f"{handler}\n"
            "def build() -> B: return B()\n"
            "module = Module(build, subscriptions={Happened: handle})\n",
        ),
    ):
        (folder / name).write_text(text)


async def test_an_event_reaches_its_subscriber_in_the_subscribers_view(
    write: Write, engine: AsyncEngine, settings: Settings
) -> None:
    package = write(a=("", "() -> A: return A()"), b=('"a"', ""))
    write_events(
        package,
        EVENT,
        "async def handle(tx: Tx, event: Happened, own: B, a: A) -> None:"
        " heard.append((tx, event.what, own, a))",
    )
    folders = discover(package)
    assert [folder.name for folder in folders] == ["a", "b"]
    wired = wire(folders, engine)
    assert list(wired.jobs) == ["b.handle"]
    heard = import_module("planted.b.wiring").heard
    async with Database(engine, "a").transaction() as tx:
        await wired[Events].publish(tx, import_module("planted.a").Happened("it"))
    assert heard == []
    await Worker(settings, engine, wired.jobs).run_due()
    [(their_tx, what, own, a)] = heard
    assert their_tx.sync_session._role == "app_test__b"
    assert what == "it"
    assert own is wired[folders[1].interface]
    assert a is wired[folders[0].interface]


async def test_a_subscription_may_be_a_job_with_options(write: Write, engine: AsyncEngine) -> None:
    package = write(a=("", "() -> A: return A()"), b=('"a"', ""))
    write_events(
        package,
        EVENT,
        "from app.platform.jobs.jobs import job\n"
        "@job(retries=3)\nasync def handle(tx: Tx, event: Happened): ...",
    )
    assert wire(discover(package), engine).jobs["b.handle"].options.retries == 3


@pytest.mark.parametrize(
    ("depends_on", "event", "handler", "said"),
    [
        (
            "",
            EVENT,
            "async def handle(tx: Tx, event: Happened): ...",
            "wiring.py takes from a, which",
        ),
        (
            '"a"',
            EVENT,
            "async def handle(event: Happened, tx: Tx): ...",
            "b: `tx: Tx` of handle must be its first parameter",
        ),
        ('"a"', EVENT, "async def handle(tx: Tx, event: str): ...", "event: Happened`"),
        (
            '"a"',
            EVENT,
            "async def handle(what: str): ...",
            "must begin with `tx: Tx, event: Happen",
        ),
        (
            '"a"',
            EVENT,
            "async def handle(tx: Tx, event: Happened, n: int): ...",
            "nothing provides `n: int` of handle",
        ),
        (
            '"a"',
            EVENT.replace("(frozen=True)", ""),
            "async def handle(tx: Tx, event: Happened): ...",
            "frozen=True",
        ),
    ],
)
async def test_a_subscription_that_does_not_fit_is_refused(
    write: Write, engine: AsyncEngine, depends_on: str, event: str, handler: str, said: str
) -> None:
    package = write(a=("", "() -> A: return A()"), b=(depends_on, ""))
    write_events(package, event, handler)
    with pytest.raises(WiringError, match=said):
        wire(discover(package), engine)


@pytest.mark.parametrize("tx", ["tx: Tx, ", ""])
async def test_what_a_handler_asks_for_must_be_declared(write: Write, tx: str) -> None:
    package = write(a=("", "() -> A: return A()"), b=('"a"', ""), c=("", "() -> C: return C()"))
    write_events(package, EVENT, f"async def handle({tx}event: Happened, c: C): ...")
    wiring = Path(package.__path__[0]) / "b/wiring.py"
    wiring.write_text("from planted.c import C\n" + wiring.read_text())
    with pytest.raises(WiringError, match=r"b: wiring\.py takes from c, which depends_on in b/"):
        discover(package)


async def test_a_transaction_must_be_the_first_parameter(write: Write, engine: AsyncEngine) -> None:
    package = write(a=("", "() -> A: return A()"))
    (Path(package.__path__[0]) / "a/__init__.py").write_text(
        "from app.platform.database.database import Tx\n"
        "class A:\n    async def sell(self, thing: str, tx: Tx) -> None: ...\n"
    )
    with pytest.raises(WiringError, match=r"A\.sell takes a transaction, but not first: declare"):
        wire(discover(package), engine)


async def test_what_routes_ask_for_must_exist(write: Write, engine: AsyncEngine) -> None:
    package = write(a=("", "() -> A: return A()"))
    [folder] = discover(package)

    def routes(number: int) -> APIRouter:
        return APIRouter()

    folder = replace(folder, declaration=replace(folder.declaration, routes=routes))
    with pytest.raises(WiringError, match="a: nothing provides `number: int` of routes"):
        wire([folder], engine)


def write_job(package: ModuleType, job: str, jobs: str) -> None:
    """Let `a` have a job and list it."""
    folder = Path(package.__path__[0]) / "a"
    (folder / "jobs.py").write_text(
        "from dataclasses import dataclass\n"
        "from app.platform.database.database import Tx\nfrom app.platform.jobs.jobs import Delivery, job\n"
        f"@dataclass(frozen=True)\nclass Args:\n    number: int = 0\n{job}\n"
    )
    (folder / "wiring.py").write_text(
        "from app.platform.wiring.modules import Module\nfrom planted.a import A, jobs\n"
        "def build() -> A: return A()\n"
        f"module = Module(build, jobs=[{jobs}])\n"
    )


async def test_a_job_is_named_for_its_module_and_has_what_it_asks_for(
    write: Write, engine: AsyncEngine, settings: Settings
) -> None:
    package = write(a=("", ""))
    job = "async def add(tx: Tx, args: Args, delivery: Delivery): seen.append((args, delivery))"
    write_job(package, f"seen = []\n@job(deadline=5)\n{job}", "jobs.add")
    wired = wire(discover(package), engine)
    jobs = import_module("planted.a.jobs")
    async with Database(engine, "a").transaction() as tx:
        await jobs.add.enqueue(tx, jobs.Args(7))
    assert await Worker(settings, engine, wired.jobs).run_due() == 1
    [(args, delivery)] = jobs.seen
    assert args == jobs.Args(7)
    assert (delivery.key[:6], delivery.attempt) == ("a.add-", 1)


@pytest.mark.parametrize(
    ("job", "jobs", "said"),
    [
        (
            "@job()\nasync def add(args: Args, tx: Tx): ...",
            "jobs.add",
            "a: `tx: Tx` of add must be its first parameter",
        ),
        ("@job()\nasync def add(): ...", "jobs.add", "add must begin with `tx: Tx` and"),
        ("@job()\nasync def add(n: int): ...", "jobs.add", "add must begin with `tx: Tx` and"),
        ("@job()\nasync def add(tx: Tx): ...", "jobs.add", "add must begin with `tx: Tx` and"),
        (
            "@job()\nasync def add(it: Delivery): ...",
            "jobs.add",
            "add must begin with `tx: Tx` and",
        ),
        ("@job()\nasync def add(tx: Tx, n: int): ...", "jobs.add", r"`@dataclass\(frozen=True\)`"),
        (
            "@job()\nasync def add(tx: Tx, args: Args, n: int): ...",
            "jobs.add",
            "a: nothing provides `n: int` of add",
        ),
        (
            "@job()\nasync def add(tx: Tx, args: Args): ...",
            "jobs.add, jobs.add",
            "two jobs or subscriptions are named a.add",
        ),
        (
            "@job()\nasync def add(tx: Tx, args: Args): ...",
            "",
            r"a/jobs.py declares a.add, which no worker would run: list it in a/wiring.py",
        ),
        (
            "class Odd: ...\n@dataclass(frozen=True)\nclass More:\n    odd: Odd\n"
            "@job()\nasync def add(tx: Tx, more: More): ...",
            "jobs.add",
            "a.add: More cannot be written as JSON",
        ),
        (
            "async def add(tx: Tx, args: Args): ...\n"
            "add.__module__ = 'planted.a.service'\nadd = job()(add)",
            "jobs.add",
            "a/wiring.py lists the job add of planted.a.service: a module's jobs stand in its own",
        ),
    ],
)
async def test_a_job_that_does_not_fit_is_refused(
    write: Write, engine: AsyncEngine, job: str, jobs: str, said: str
) -> None:
    package = write(a=("", ""))
    write_job(package, job, jobs)
    with pytest.raises(WiringError, match=said):
        wire(discover(package), engine)


async def test_only_modules_that_are_served_are_built_and_others_are_called_elsewhere(
    write: Write, engine: AsyncEngine
) -> None:
    folders = [
        replace(folder, declaration=replace(folder.declaration, routes=lambda: APIRouter()))
        for folder in discover(write(**CHAIN))
    ]
    client = interface("b")()
    wired = wire(
        folders,
        engine,
        served={"a", "c"},
        elsewhere=lambda folder: client if folder.name == "b" else None,
    )
    assert [folder.name for folder in wired.folders] == list(wired.routers) == ["c", "a"]
    assert given("a") == (wired[interface("b")], wired[interface("c")])
    with pytest.raises(WiringError, match="D is not part of what was wired"):
        wired[interface("d")]


async def test_a_module_that_is_needed_and_nowhere_is_named(
    write: Write, engine: AsyncEngine
) -> None:
    folders = discover(write(**CHAIN))
    with pytest.raises(WiringError, match="b is served here and calls d, which is not: name its"):
        wire(folders, engine, served={"b"})
    wire(folders, engine, served={"d"})  # Whatever nobody asks for may be anywhere.


async def test_what_is_elsewhere_keeps_to_its_interface_and_to_the_rules_of_transactions(
    write: Write, engine: AsyncEngine
) -> None:
    package = write(a=("", "() -> A: raise AssertionError"))
    (Path(package.__path__[0]) / "a/__init__.py").write_text(
        "class A:\n    async def sold(self) -> int: ...\n"
    )

    class Client:
        async def sold(self) -> int:
            return 1

    folders = discover(package)
    wired = wire(folders, engine, served=(), elsewhere=lambda _folder: Client())
    client: Any = wired[interface("a")]
    async with Database(engine, "b").transaction():
        with pytest.raises(TransactionError, match=r"a\.sold does not take `tx`"):
            await client.sold()
    assert await client.sold() == 1
    with pytest.raises(WiringError, match=r"a: int lacks `sold`"):
        wire(folders, engine, served=(), elsewhere=lambda _folder: 1)


async def test_an_event_is_written_here_for_who_listens_elsewhere(
    write: Write, engine: AsyncEngine, settings: Settings
) -> None:
    package = write(a=("", "() -> A: return A()"), b=('"a"', ""))
    write_events(
        package,
        EVENT,
        "async def handle(tx: Tx, event: Happened, db: Database, a: A) -> None:"
        " heard.append(event.what)",
    )
    folders = discover(package)
    here, there = wire(folders, engine, served={"a"}), wire(folders, engine)
    assert (list(here.jobs), list(here.known), list(there.jobs)) == ([], ["b.handle"], ["b.handle"])
    async with Database(engine, "a").transaction() as tx:
        await here[Events].publish(tx, import_module("planted.a").Happened("it"))
    assert await Worker(settings, engine, there.jobs).run_due() == 1
    assert import_module("planted.b.wiring").heard == ["it"]
