"""Make the checks, and mend what can be mended without asking."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from scaffold import addresses, git, plan, repository
from scaffold.doctor import module_checks
from scaffold.doctor.checks import CHECKS, OF_DATABASE
from scaffold.doctor.finding import Check, Finding, NotKnownError
from scaffold.doctor.seen import Seen
from scaffold.errors import ScaffoldError

_MENDS: dict[str, Callable[[Seen], list[plan.Change]]] = {"SC-013": module_checks.mend_owners}
"""What can be derived, and touches nothing that somebody has written."""


@dataclass
class Examined:
    """A repository that was looked at.

    Attributes:
        seen: what was looked at.
        findings: what is off, with the check that says so.
        fixed: the files that were mended, by the id of the check.
        not_known: checks that could not be made, each with the reason.
    """

    seen: Seen
    findings: list[tuple[Check, Finding]] = field(default_factory=list)
    fixed: dict[str, list[str]] = field(default_factory=dict)
    not_known: dict[str, str] = field(default_factory=dict)

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(check.severity == "error" for check, _ in self.findings)


def choose(only: Sequence[str], database: str | None) -> list[Check]:
    """The checks of some ids, or all that can be made; those of a database need one.

    Raises:
        ValueError: with what is wrong with an id.
    """
    known = {check.id: check for check in CHECKS}
    wanted = [each.upper() for each in only]
    for each in wanted:
        if each not in known:
            raise ValueError(f"no check is called {each}; there are SC-001 to {CHECKS[-1].id}")
        if each in OF_DATABASE and database is None:
            raise ValueError(f"{each} is about a live database: name it by --database URL")
    checks = [known[each] for each in dict.fromkeys(wanted)] or CHECKS
    return [check for check in checks if database is not None or check.id not in OF_DATABASE]


def examine(
    start: Path,
    checks: Sequence[Check],
    *,
    source: str | None = None,
    database: str | None = None,
    fetch: bool = False,
    fix: bool = False,
    note: Callable[[str], None] = lambda _: None,
    today: date | None = None,
) -> Examined:
    """Look at the repository around a folder.

    Args:
        start: the folder.
        checks: to make.
        source: path or URL to read the template from, instead of where it is recorded.
        database: URL of the live database, if that is to be looked at.
        fetch: ask the template's address what is new. Else nothing goes over the network.
        fix: mend what can be mended without asking.
        note: is told what takes long, before it does.
        today: the day that dates are compared with.

    Raises:
        ScaffoldError: where there is no repository, or what was asked for is not to be had.
    """
    git.need()
    root = repository.find_root(start)
    seen = Seen(root, today or date.today(), source, database)
    if fetch:
        seen.fetch(note)
    if source is not None:
        with suppress(NotKnownError):
            _ = seen.template
    if database is not None:
        note("asking the database")
        _ = seen.live
    fixed = {check.id: _mend(seen, check) for check in checks} if fix else {}
    done = Examined(seen, fixed={id_: files for id_, files in fixed.items() if files})
    for check in checks:
        try:
            for finding in check.look(seen):
                done.findings.append((check, finding))
        except NotKnownError as error:
            done.not_known[check.id] = str(error)
        except ScaffoldError as error:
            done.not_known[check.id] = addresses.redact(seen.short(error))
    return done


def _mend(seen: Seen, check: Check) -> list[str]:
    """Write what is wanted instead: all of it, or nothing."""
    if check.id not in _MENDS:
        return []
    from scaffold.add_module import ASIDE

    with (
        plan.lock(seen.root / repository.ANSWERS),
        plan.working_folder(seen.root / ASIDE) as working,
    ):
        changes = _MENDS[check.id](seen)
        if changes:
            plan.apply_changes(seen.root, working, changes)
    return [change.path for change in changes]
