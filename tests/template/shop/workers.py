"""A worker that dies: `python -m tests.shop.workers` runs one until it is killed."""

import asyncio

from app.main import run_worker
from app.platform.settings import load_settings

if __name__ == "__main__":
    asyncio.run(run_worker(load_settings()))
