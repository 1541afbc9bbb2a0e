"""Lets pytest begin sooner: pyproject.toml names it, for it has to be there before conftest.py."""

import gc
import os
from contextlib import suppress
from threading import Event, Thread

import pytest

from app.development.local_postgres import FOLDER, local_postgres, LocalPostgresError


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    # Imports make much that stays, and nothing that is worth looking for.
    gc.disable()
    if "DATABASE_URL" not in os.environ and not early_config.known_args_namespace.collectonly:
        Thread(target=_use_postgres, daemon=True).start()


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.enable()


def _use_postgres() -> None:
    """Start the local Postgres while Python imports what is tested, and keep it until the end."""
    with suppress(LocalPostgresError), local_postgres(FOLDER):  # A fixture says what is wrong.
        Event().wait()
