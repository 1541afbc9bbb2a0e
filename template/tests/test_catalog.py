"""What Backstage shows is what the code says."""

from pathlib import Path

from httpx import AsyncClient

from app import modules
from app.development.catalog import draw_catalog, system_of
from app.platform.wiring import discover

ROOT = Path(__file__).parents[1]


async def test_a_catalog_that_was_written_says_what_the_code_says(client: AsyncClient) -> None:
    """Until `make catalog` has written it for the first time, there is none to keep."""
    api = (await client.get("/openapi.json")).json()
    drawn = draw_catalog(system_of(ROOT), discover(modules), api)
    behind = [
        str(path.relative_to(ROOT))
        for path, content in drawn.items()
        if not path.exists() or path.read_text("utf-8") != content
    ]
    written = any(path.exists() for path in drawn)
    assert not (written and behind), "run `make catalog`, and commit these files"
