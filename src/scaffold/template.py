"""Which template a repository follows, and where that one is now."""

from collections.abc import Callable
from pathlib import Path

from scaffold import addresses, git, origin, plan, repository


def followed(start: Path) -> repository.Template:
    """What the repository around a folder records."""
    recorded = repository.read_template(repository.find_root(start) / repository.ANSWERS)
    return repository.Template(
        addresses.redact(recorded.source), recorded.version, recorded.answers
    )


def follow(
    start: Path, address: str, *, note: Callable[[str], None] = lambda _: None
) -> tuple[list[str], tuple[str, ...]]:
    """Record another place of the same template, in the repository and each of its modules.

    A module that records another template than the repository does is left alone. A run that was
    killed is finished by the next: the repository's own record is changed last.

    Args:
        start: a folder inside the repository.
        address: URL or path; of a path with a remote, the remote's URL is recorded.
        note: is told what takes long, before it does.

    Returns:
        the files that changed, relative to the root; and what others will not be able to do.

    Raises:
        ScaffoldError: with nothing written, if the recorded version is not there.
    """
    git.need()
    root = repository.find_root(start)
    with plan.lock(root / repository.ANSWERS):
        before = repository.read_template(root / repository.ANSWERS)
        after = origin.at(address, before.version, note)
        files = [
            file
            for file in reversed(repository.answers_files(root))
            if repository.read_template(file).source == before.source
        ]
        changes = [(file, repository.recorded(file, after.source, None)) for file in files]
        changes = [(file, new) for file, new in changes if new != file.read_bytes()]
        for file, content in changes:
            aside = file.with_name(f"{file.name}.new")
            aside.write_bytes(content)
            aside.replace(file)
    return [file.relative_to(root).as_posix() for file, _ in changes], after.warnings
