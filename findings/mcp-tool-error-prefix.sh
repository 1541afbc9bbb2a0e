#!/usr/bin/env bash
# mcp 2.3.0: the docstring of ToolError promises that a call answers "with your message in content", for the model to
# read. What arrives begins with "Error executing tool NAME: "; only the text of an unforeseen error is left
# out, as documented.
SEEN='
documented: with your message in `content`
ToolError: Error executing tool find: no such order
ValueError: Error executing tool fall
'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check mcp==2.3.0
printed=$("$folder/venv/bin/python" - 2>/dev/null <<'PYTHON'
import asyncio
import inspect

from mcp import Client
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("shop")


@server.tool()
def find() -> str:
    raise ToolError("no such order")


@server.tool()
def fall() -> str:
    raise ValueError("a detail")


async def main():
    async with Client(server) as client:
        for tool, error in (("find", "ToolError"), ("fall", "ValueError")):
            answer = await client.call_tool(tool, {})
            assert answer.is_error
            print(f"{error}: {answer.content[0].text}")


promised = "with your message in `content`"
assert promised in inspect.getdoc(ToolError)
print(f"documented: {promised}")
asyncio.run(main())
PYTHON
)
echo "$printed"
[ "$printed" = "$(echo "$SEEN" | sed '/^$/d')" ]
