"""How far a run is: a bar on a terminal, elsewhere a line for each repository."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from scaffold.fleet.outcome import Outcome, State
from scaffold.fleet.runs import Tell

_NAMES = 3  # of those at work, as many as a narrow terminal has room for


@contextmanager
def shown(total: int) -> Iterator[Tell]:
    """Show on stderr what is told."""
    if not sys.stderr.isatty():
        yield _line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total)
        at_work: list[str] = []
        lock = Lock()

        def tell(outcome: Outcome, is_done: bool) -> None:
            with lock:
                if not is_done:
                    at_work.append(outcome.name)
                elif outcome.name in at_work:
                    at_work.remove(outcome.name)
                said = ", ".join(at_work[:_NAMES]) + (" …" if len(at_work) > _NAMES else "")
                progress.update(task, advance=int(is_done), description=said)
                if is_done and outcome.state in (State.REFUSED, State.CHECK_FAILED):
                    progress.console.print(
                        f"{outcome.name}: {outcome.state}", markup=False, highlight=False
                    )

        yield tell


def _line(outcome: Outcome, is_done: bool) -> None:
    if is_done:
        print(f"{outcome.name}: {outcome.state}", file=sys.stderr, flush=True)
