#!/usr/bin/env bash
# cashews 7.6.0: with `lock=True`, callers that ask for one key at once share one load, and its fate.
# The first caller's own time limit cancels the load; all who wait for it get CancelledError, though
# nobody cancelled them and their limits are far away. CancelledError is no Exception: `except Exception`
# in the callers does not see it. What failed is not tried again for those who waited.
# Seen on 2026-11-29:
#   first: TimeoutError, others: CancelledError CancelledError, loads: 1
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check cashews==7.6.0
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio

from cashews import Cache

cache = Cache()
cache.setup("mem://")
loads = 0


@cache(ttl="1m", key="answer", lock=True)
async def load() -> int:
    global loads
    loads += 1
    await asyncio.sleep(0.5)
    return 42


async def ask(limit: float, later: float = 0) -> str:
    await asyncio.sleep(later)
    try:
        async with asyncio.timeout(limit):
            return str(await load())
    except BaseException as error:
        return type(error).__name__


async def main() -> None:
    first, *others = await asyncio.gather(ask(0.2), ask(60, 0.05), ask(60, 0.05))
    print(f"first: {first}, others: {' '.join(others)}, loads: {loads}")
    assert (first, others, loads) == ("TimeoutError", ["CancelledError"] * 2, 1)


asyncio.run(main())
PYTHON
