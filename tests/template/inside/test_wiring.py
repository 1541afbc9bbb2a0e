"""Wiring: tiny programs, and what is said of them."""

import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from app.platform.database import Database
from app.platform.discovery import discover
from app.platform.events import Events
from app.platform.wiring import Module, ModuleFolder, WiringError, wire
from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

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
            interface = f"class {name.title()}:\n    name = {name!r}\n"
            (folder / "__init__.py").write_text(interface)
            (folder / "module.toml").write_text(f'owner = "@a/b"\ndepends_on = [{depends_on}]\n')
            (folder / "wiring.py").write_text(
                "from app.platform.database import Database\n"
                "from app.platform.wiring import Module\n"
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
        a=('"b"', "(peer: B, db: Database) -> A: A.given = (peer, db); return A()"),
        b=("", "(db: Database) -> B: return B()"),
    )
    folders = discover(package)
    wired = wire(folders, engine)
    b, a = (folder.interface for folder in folders)
    peer, database = a.given  # type: ignore[attr-defined]
    assert peer is wired[b]
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
    with pytest.raises(WiringError, match=r"a: what `build` returns is no A: .* 'sell'"):
        wire(discover(package), engine)


def test_depends_on_must_be_a_list(write: Write) -> None:
    package = write(a=("", "() -> A: ..."))
    (Path(package.__path__[0]) / "a/module.toml").write_text('owner = "@a/b"\ndepends_on = "b"')
    with pytest.raises(WiringError, match="depends_on is no list"):
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


def write_events(package: ModuleType, event: str, handler: str) -> None:
    """Let `a` publish an event, and `b` listen to it."""
    folder = Path(package.__path__[0])
    for name, text in (
        (
            "a/__init__.py",
            "from dataclasses import dataclass\nfrom app.platform.events import Event\n"
            f"class A:\n    pass\n{event}",
        ),
        (
            "b/wiring.py",
            "from app.platform.database import Database, Tx\n"
            "from app.platform.wiring import Module\n"
            "from planted.a import A, Happened\nfrom planted.b import B\n"
            "heard = []\n"
            f"{handler}\n"
            "def build() -> B: return B()\n"
            "module = Module(build, subscriptions={Happened: handle})\n",
        ),
    ):
        (folder / name).write_text(text)


async def test_an_event_reaches_its_subscriber_in_the_subscribers_view(
    write: Write, engine: AsyncEngine
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
    events: list[Events] = []
    builder = replace(folders[0], declaration=Module(publisher(folders[0], events)))
    builder = replace(builder, needs={"events": Events})
    wired = wire([builder, folders[1]], engine)
    happened = import_module("planted.a").Happened("it")
    async with Database(engine, "a").transaction() as tx:
        await events[0].publish(tx, happened)
        [(their_tx, what, own, a)] = import_module("planted.b.wiring").heard
        assert their_tx is tx.of("b")
        assert what == "it"
        assert own is wired[folders[1].interface]
        assert a is wired[folders[0].interface]


def publisher(folder: ModuleFolder, events_of: list[Events]) -> Callable[..., object]:
    def build(events: Events) -> object:
        events_of.append(events)
        return folder.interface()

    return build


@pytest.mark.parametrize(
    ("depends_on", "event", "handler", "said"),
    [
        (
            "",
            EVENT,
            "async def handle(tx: Tx, event: Happened): ...",
            "wiring.py takes from a, which",
        ),
        ('"a"', EVENT, "async def handle(event: Happened, tx: Tx): ...", "must begin with `tx: Tx"),
        ('"a"', EVENT, "async def handle(tx: Tx, event: str): ...", "event: Happened`"),
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


async def test_what_routes_ask_for_must_exist(write: Write, engine: AsyncEngine) -> None:
    package = write(a=("", "() -> A: return A()"))
    [folder] = discover(package)

    def routes(number: int) -> APIRouter:
        return APIRouter()

    folder = replace(folder, declaration=replace(folder.declaration, routes=routes))
    with pytest.raises(WiringError, match="a: nothing provides `number: int` of routes"):
        wire([folder], engine)
