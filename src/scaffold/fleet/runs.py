"""All members of a fleet at once: as many at a time as there are cores, and none stops another."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from scaffold import addresses, git
from scaffold.errors import ScaffoldError, of_disk
from scaffold.fleet import checkouts
from scaffold.fleet.checkouts import Checkout
from scaffold.fleet.following import Wanted, follow
from scaffold.fleet.listing import Member
from scaffold.fleet.outcome import Outcome, State

Tell = Callable[[Outcome, bool], None]
"""Is told of each member when it begins, and when it is done."""


def run(members: Sequence[Member], wanted: Wanted, jobs: int, tell: Tell) -> list[Outcome]:
    """Bring members as far as is wanted; return what became of each, in their order.

    One that was named twice is taken once. Ctrl-C ends what is under way, and leaves the others
    as not reached.
    """
    git.need()
    # Sixty prompts at once would be nobody's.
    os.environ.setdefault("GIT_TERMINAL_PROMPT", "0")
    os.environ.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=30")
    outcomes = [Outcome(each.name, addresses.redact(each.given)) for each in members]
    with ThreadPoolExecutor(jobs, "fleet") as pool:
        try:
            checkouts.sweep()
            found = list(pool.map(_find, members))
            firsts = _firsts(found, outcomes)
            under_way: list[Future[None]] = []
            for outcome, checkout in zip(outcomes, found, strict=True):
                if isinstance(checkout, str):
                    outcome.state, outcome.error = State.REFUSED, checkout
                    tell(outcome, True)
                elif id(outcome) in firsts:
                    under_way.append(pool.submit(_follow, checkout, outcome, wanted, tell))
            wait(under_way)
            for each in under_way:
                each.result()
        except KeyboardInterrupt:
            wanted.stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)
    return [each for each in outcomes if id(each) in firsts or each.error]


def _find(member: Member) -> Checkout | str:
    try:
        return checkouts.find(member)
    except ScaffoldError as error:
        return str(error)
    except OSError as error:
        return f"{member.given}: {of_disk(error)}"


def _firsts(found: Sequence[Checkout | str], outcomes: Sequence[Outcome]) -> set[int]:
    """Which outcomes count: of a repository that is named twice, the first."""
    by_key: dict[tuple[object, ...], Outcome] = {}
    for checkout, outcome in zip(found, outcomes, strict=True):
        if isinstance(checkout, str):
            continue
        first = by_key.setdefault(checkout.key, outcome)
        if first is not outcome:
            first.note = "named twice"
    return {id(outcome) for outcome in by_key.values()}


def _follow(checkout: Checkout, outcome: Outcome, wanted: Wanted, tell: Tell) -> None:
    if wanted.stopped.is_set():
        return
    tell(outcome, False)
    try:
        follow(checkout, outcome, wanted)
    except ScaffoldError as error:
        outcome.error = str(error)
    except OSError as error:
        outcome.error = of_disk(error)
    except Exception as error:  # One must not stop the others.
        outcome.error = f"{type(error).__name__}: {error}; this is a defect, please report it"
    if outcome.error:
        outcome.error = addresses.redact(" ".join(outcome.error.split()))
        stopped = wanted.stopped.is_set()
        outcome.state = State.NOT_REACHED if stopped else State.REFUSED
        outcome.error = "" if stopped else outcome.error
    tell(outcome, True)
