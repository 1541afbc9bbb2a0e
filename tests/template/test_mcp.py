"""`app mcp`, as `.mcp.json` starts it, asked by the SDK's own client beside `app dev`."""

import json
from typing import Any

import httpx
import pytest
from generated import Generate, Repository
from running import bearer, eventually, running

CLIENT = """
import asyncio, json, os, sys
from mcp import Client, StdioServerParameters, stdio_client

async def main():
    server = json.load(open(".mcp.json"))["mcpServers"]["app"]
    transport = stdio_client(StdioServerParameters(**server, env=dict(os.environ)))
    async with Client(transport) as client:
        tools = (await client.list_tools()).tools
        assert all(tool.description and tool.annotations.read_only_hint for tool in tools)
        said = {"tools": [tool.name for tool in tools], "answers": []}
        for name, arguments in json.load(sys.stdin):
            result = await client.call_tool(name, arguments)
            said["answers"].append([bool(result.is_error), result.content[0].text])
    print(json.dumps(said))

asyncio.run(main())
"""
ROUTES = "src/app/modules/catalog/routes.py"
BROKEN = """
    @router.get("/broken")
    async def broken() -> None:
        raise ValueError("no tea")

    return router
"""
ITEMS = "/catalog/items"
TOOLS = ["last_error", "trace", "slow_sql", "map", "queue", "read_only_query"]
NOT_RUNNING = "`make dev` does not run in this repository: start it, and ask again."
NO_APP_DEV = "no Postgres of `app dev` runs here"


@pytest.fixture(scope="module")
def shop(generate: Generate) -> Repository:
    """A repository with its own Postgres, whose catalog fails where it is told to."""
    shop = generate()
    shop.environment = {k: v for k, v in shop.environment.items() if k != "DATABASE_URL"}
    shop.replace(ROUTES, "\n    return router\n", BROKEN)
    return shop


def ask(shop: Repository, *asked: tuple[str, dict[str, str]]) -> tuple[list[str], list[Any]]:
    """Ask one server, and return its tools and each answer: what it is, or why there is none."""
    done = shop.run(
        "bash",
        "-c",
        'echo "$1" | .venv/bin/python -c "$2" 2>mcp.log || { cat mcp.log; exit 1; }',
        "-",
        json.dumps(asked),
        CLIENT,
    )
    said = json.loads(done.stdout.splitlines()[-1])
    answers = [text if is_error else json.loads(text) for is_error, text in said["answers"]]
    return said["tools"], answers


def test_agents_are_told_what_the_console_knows(shop: Repository) -> None:
    with (
        running(shop) as (_, url),
        httpx.Client(base_url=url, headers=bearer(shop), timeout=60) as client,
    ):
        assert client.get(ITEMS).status_code == 200
        client.get(ITEMS)
        _, [nothing, mapped] = ask(shop, ("last_error", {}), ("map", {}))
        assert nothing is None
        assert {module["name"] for module in mapped} == {"catalog", "ordering"}
        assert client.get("/catalog/broken").status_code == 500
        made = client.post(ITEMS, json={"name": "tea"})
        assert made.status_code == 201, made.text
        eventually(lambda: ask(shop, ("queue", {}))[1][0]["queues"] == {})

        tools, answers = ask(
            shop,
            ("last_error", {}),
            ("slow_sql", {"module": "catalog"}),
            ("read_only_query", {"module": "catalog", "sql": "SELECT name FROM catalog.items;"}),
            ("trace", {"id": "0"}),
        )
        assert sorted(tools) == sorted(TOOLS)
        failed, slow, read, unknown = answers
        assert "no tea" in failed["line"]["stacktrace"]
        assert failed["trace"]["summary"]["title"] == "/catalog/broken"
        assert "INSERT INTO catalog.items" in json.dumps(slow)
        assert read == {"columns": ["name"], "rows": [["tea"]], "has_more": False}
        assert unknown.endswith("There is no such trace, or not any more.")

        id = slow["in_this_process"][0]["longest_in_trace"]
        _, [trace] = ask(shop, ("trace", {"id": id}))
        assert trace["id"] == id
        assert {"request", "sql"} <= {span["kind"] for span in trace["spans"]}

        refused = {
            "SELECT 1; DELETE FROM catalog.items": "multiple commands",
            "DELETE FROM catalog.items RETURNING id": "syntax error",
            "WITH gone AS (DELETE FROM catalog.items RETURNING id) SELECT * FROM gone": "must not contain data-modifying",
            "SELECT pg_sleep(60)": "statement timeout",
            "SELECT name FROM ordering.items": "permission denied",
            "SELECT set_config('role', 'none', true)": "set_config",
            "COMMIT": "syntax error",
        }
        queries = [("read_only_query", {"module": "catalog", "sql": sql}) for sql in refused]
        for why, said in zip(refused.values(), ask(shop, *queries)[1], strict=True):
            assert why in said, said
        many = "SELECT repeat('x', 5000) AS x, '\\x00ff'::bytea FROM generate_series(1, 200)"
        _, [read, nowhere] = ask(
            shop,
            ("read_only_query", {"module": "catalog", "sql": many}),
            ("read_only_query", {"module": "nowhere", "sql": "SELECT 1"}),
        )
        assert (len(read["rows"]), read["has_more"]) == (100, True)
        assert read["rows"][0] == [f"{'x' * 1000}… (5,000 characters)", "00ff"]
        assert "There is no module nowhere. There are: " in nowhere

        other = client.get("/_dev/json/map", params={"repository": "/srv/other"})
        assert other.status_code == 409
        evil = {"Host": "evil.example.com"}
        assert client.get("/_dev/json/map", headers=evil).status_code == 403

        (shop.path / ROUTES).write_text("import nothing_of_this_name\n")
        eventually(lambda: "nothing_of_this_name" in str(ask(shop, ("last_error", {}))))

    _, answers = ask(shop, ("map", {}), ("read_only_query", {"module": "catalog", "sql": "SELECT"}))
    assert answers[0].endswith(NOT_RUNNING)
    assert NO_APP_DEV in answers[1]


def test_production_has_none_of_it(shop: Repository) -> None:
    elsewhere = Repository(shop.path, {**shop.environment, "ENVIRONMENT": "production"})
    said = elsewhere.run(".venv/bin/app", "mcp", check=False)
    assert (said.returncode, said.stdout) == (
        1,
        "app: ENVIRONMENT is production: this is for development only, so unset it.\n",
    )
    exported = shop.run("uv", "export", "--quiet", "--no-default-groups", "--no-hashes").stdout
    assert "pydantic==" in exported
    assert "mcp" not in exported
