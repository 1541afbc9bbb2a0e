"""What stands here of pgqueuer, beside pgqueuer."""

import re

from pgqueuer.adapters.persistence.qb import QueryQueueBuilder
from pgqueuer.domain.settings import DBSettings

from app.platform import schemas
from app.platform.jobs.names import ENQUEUE, NAMES

THEIRS = DBSettings(db_schema=schemas.QUEUE)


def test_tables_are_called_as_pgqueuer_calls_them() -> None:
    for name in ("queue_table", "channel", "function", "trigger"):
        assert getattr(NAMES, name) == getattr(THEIRS, name)
    for name in ("queue_table", "queue_table_log", "schedules_table"):
        assert getattr(NAMES.qualified, name) == getattr(THEIRS.qualified, name)


def test_jobs_are_enqueued_as_pgqueuer_does() -> None:
    theirs = QueryQueueBuilder(THEIRS).build_enqueue_query("skip")
    assert ENQUEUE.split() == re.sub("--.*", "", theirs).split()
