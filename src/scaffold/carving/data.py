"""A database of its own for a module that is a service, and the way home."""

from collections.abc import Callable
from pathlib import Path

from scaffold.carving import carve, home
from scaffold.carving.services import DATA, OWN
from scaffold.carving.work import Carved, Work
from scaffold.errors import ScaffoldError
from scaffold.objects import Tree


def carve_data(
    start: Path,
    name: str,
    *,
    source: str | None = None,
    dry_run: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> Carved:
    """Write what a service needs to have a database of its own. No data move by that.

    Args:
        start: a folder inside the repository.
        name: of the module.
        source: path or URL to read the template from; none finds it.
        dry_run: write nothing.
        note: is told what takes long, before it does.

    Raises:
        ScaffoldError: with nothing written.
    """
    work = Work(start, name, source, note)
    if name not in work.services:
        raise ScaffoldError(
            f"{name} is no service yet; `scaffold carve {name} --because …` makes it one, and its "
            "data move once others call it there"
        )
    if work.has_own_data:
        raise ScaffoldError(
            f"{name} has a database of its own already; `app carve status {name}` says where its "
            f"data are, and `scaffold uncarve {name}` brings them home"
        )

    def edit(tree: Tree, _done: Carved) -> dict[str, bytes]:
        work.check_called(tree)
        return {}

    after = work.services | {name: {**work.services[name], DATA: OWN}}
    return work.do(after, f"Give {name} a database of its own", edit, dry_run)


def undo_data(
    start: Path,
    name: str,
    *,
    are_home: bool = False,
    source: str | None = None,
    dry_run: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> Carved:
    """Take out what a database of its own has written: it stays a service.

    Args:
        start: a folder inside the repository.
        name: of the module.
        are_home: whether somebody says that its data are in the main database.
        source: path or URL to read the template from; none finds it.
        dry_run: write nothing.
        note: is told what takes long, before it does.

    Raises:
        AwayError: where its data are not home, or nobody knows.
        ScaffoldError: with nothing written.
    """
    work = Work(start, name, source, note)
    if not work.has_own_data:
        raise ScaffoldError(f"{name} has no database of its own; there is nothing to undo")
    home.check(work, are_home, f"scaffold carve {name} --data --undo")
    about = {key: value for key, value in work.services[name].items() if key != DATA}
    message = f"Take the database of {name} back"
    return work.do(work.services | {name: about}, message, lambda *_: {}, dry_run)


def uncarve(
    start: Path,
    name: str,
    *,
    are_home: bool = False,
    source: str | None = None,
    dry_run: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> tuple[Carved, bool]:
    """Bring a module home: no database and no deployment of its own, in one commit.

    Args:
        start: a folder inside the repository.
        name: of the module.
        are_home: whether somebody says that its data are in the main database.
        source: path or URL to read the template from; none finds it.
        dry_run: write nothing.
        note: is told what takes long, before it does.

    Returns:
        What was done, and whether it had a database of its own.

    Raises:
        AwayError: where its data are not home, or nobody knows.
        ScaffoldError: with nothing written, as where the team has edited it since.
    """
    work = Work(start, name, source, note)
    if work.has_own_data:
        home.check(work, are_home, f"scaffold uncarve {name}")
    done = carve.take_back(work, f"Bring {name} home: nothing of its own any more", dry_run)
    return done, work.has_own_data
