"""Work on a queue in the same database: jobs, events, the worker that runs them."""

from typing import TYPE_CHECKING

from app.platform.jobs.cron import is_valid_cron
from app.platform.jobs.events import Event, Events, Handler
from app.platform.jobs.functions import is_frozen, name_of, parameters_of, takes_tx
from app.platform.jobs.jobs import BoundJob, Delivery, Job, job, Options
from app.platform.jobs.moved import forget_jobs, speak_new_names, speak_old_names
from app.platform.jobs.queue import connect_as_queue, connect_queue
from app.platform.jobs.queue_schema import install_queue, is_outdated
from app.platform.jobs.records import (
    count_jobs,
    find_job,
    find_jobs,
    history_of,
    JobRecord,
    JobsError,
    Known,
    measure_queue,
    ModuleQueue,
    STATES,
)
from app.platform.lazy import lazily

if TYPE_CHECKING:
    from app.platform.jobs.changes import drop_jobs, Left, retry_held, retry_jobs
    from app.platform.jobs.worker import Worker
else:  # pgqueuer brings its command line.
    __getattr__ = lazily(
        __name__,
        {"changes": ("drop_jobs", "Left", "retry_held", "retry_jobs"), "worker": ("Worker",)},
    )

__all__ = [
    "STATES",
    "BoundJob",
    "Delivery",
    "Event",
    "Events",
    "Handler",
    "Job",
    "JobRecord",
    "JobsError",
    "Known",
    "Left",
    "ModuleQueue",
    "Options",
    "Worker",
    "connect_as_queue",
    "connect_queue",
    "count_jobs",
    "drop_jobs",
    "find_job",
    "find_jobs",
    "forget_jobs",
    "history_of",
    "install_queue",
    "is_frozen",
    "is_outdated",
    "is_valid_cron",
    "job",
    "measure_queue",
    "name_of",
    "parameters_of",
    "retry_held",
    "retry_jobs",
    "speak_new_names",
    "speak_old_names",
    "takes_tx",
]
