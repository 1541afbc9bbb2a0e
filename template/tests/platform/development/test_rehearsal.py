"""Calls between modules, as they would be between processes."""

from collections.abc import Sequence
from datetime import datetime, UTC
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.development.rehearsal import Gateway, Rehearsal
from app.development.rehearsal_processes import TurnedOn
from app.platform.database import Tx
from app.platform.settings import Settings
from app.platform.wiring.boundary import ArgumentsError
from app.platform.wiring.modules import ModuleFolder

from ..modules.catalog import Catalog, Item, ItemNotFound

Folders = Sequence[ModuleFolder]


class FakeCatalog(Catalog):
    """Answers with `found`, whatever that is, or fails with it."""

    def __init__(self, found: object) -> None:
        self.found, self.asked = found, list[object]()

    async def create_item(self, tx: Tx, owner: str, name: str) -> Item:
        raise NotImplementedError

    async def get_item(self, owner: str, id: UUID) -> Item:
        self.asked.append(id)
        if isinstance(self.found, Exception):
            raise self.found
        return cast(Item, self.found)

    async def list_items(self, owner: str, after: UUID | None, limit: int) -> Sequence[Item]:
        return cast(Sequence[Item], self.found)


def wire(folders: Folders, engine: AsyncEngine, fake: Catalog, *, in_json: bool = True) -> Catalog:
    rehearsal = Rehearsal([], in_json=in_json)
    return rehearsal.wire(folders, engine, only=Catalog, fakes={Catalog: fake})[Catalog]


@pytest.mark.parametrize("in_json", [True, False])
async def test_what_a_module_gets_of_another_has_crossed(
    folders: Folders, engine: AsyncEngine, in_json: bool
) -> None:
    item = Item(uuid4(), "Tea", datetime.now(UTC), None)
    fake = FakeCatalog((item,))
    catalog = wire(folders, engine, fake, in_json=in_json)
    assert await catalog.list_items("ada", None, limit=1) == ([item] if in_json else (item,))
    fake.found = item
    found = await catalog.get_item("ada", id := uuid4())
    assert found == item
    assert (found is item, fake.asked[0] is id) == (not in_json, not in_json)
    assert fake.asked == [id]


@pytest.mark.parametrize(
    "found", [None, Item(cast(UUID, "no id"), "Tea", datetime.now(UTC), None), lambda: None]
)
async def test_what_would_not_survive_is_named(
    folders: Folders, engine: AsyncEngine, found: object
) -> None:
    catalog = wire(folders, engine, FakeCatalog(found))
    with pytest.raises(pytest.fail.Exception, match=r"catalog.get_item: `.*would not survive"):
        await catalog.get_item("ada", uuid4())


async def test_an_argument_that_would_not_survive_is_named(
    folders: Folders, engine: AsyncEngine
) -> None:
    fake: Any = FakeCatalog(None)
    catalog: Any = wire(folders, engine, fake)
    with pytest.raises(pytest.fail.Exception, match=r"'id': 'no id'.*` would not survive"):
        await catalog.get_item("ada", "no id")
    assert fake.asked == []
    with pytest.raises(ArgumentsError, match=r"catalog\.get_item"):
        await catalog.get_item("ada")


async def test_an_error_arrives_as_what_it_was(folders: Folders, engine: AsyncEngine) -> None:
    error = ItemNotFound("There is no item 1.")
    catalog = wire(folders, engine, FakeCatalog(error))
    with pytest.raises(ItemNotFound, match="no item 1") as caught:
        await catalog.get_item("ada", uuid4())
    assert caught.value is not error


def test_a_flag_is_on_in_the_other_process_once_the_test_says_so(tmp_path: Path) -> None:
    (file := tmp_path / "flags").write_text("")
    flags = TurnedOn(file)
    assert not flags.resolve_boolean_details("billing.fast", False).value
    file.write_text("billing.fast\nbilling.faster\n")
    assert flags.resolve_boolean_details("billing.fast", False).value
    assert not flags.resolve_boolean_details("billing.slow", False).value


def test_a_module_that_there_is_not_is_refused() -> None:
    with pytest.raises(pytest.UsageError, match="there is no module nope"):
        Rehearsal(["nope"], in_json=True)


def test_without_remote_modules_nothing_is_started(
    settings: Settings, folders: Folders, request: pytest.FixtureRequest
) -> None:
    with Rehearsal([], in_json=True).served(settings, folders, Path(request.path)) as (same, log):
        assert same is settings
        assert log is None


async def test_a_request_goes_to_whoever_serves_its_module(settings: Settings) -> None:
    changed = settings.model_copy(update={"remote_modules": "big_shop=http://127.0.0.1:1"})
    here = httpx.MockTransport(lambda request: httpx.Response(200, text=request.url.path))
    async with httpx.AsyncClient(transport=Gateway(here, changed), base_url="http://app") as client:
        assert (await client.get("/ordering/orders")).text == "/ordering/orders"
        with pytest.raises(httpx.ConnectError):
            await client.get("/big-shop/accounts")
