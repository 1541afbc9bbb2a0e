"""Which repositories are meant by a file that lists them, a folder, or an address."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scaffold import addresses
from scaffold.errors import ScaffoldError
from scaffold.repository import ANSWERS


@dataclass
class Member:
    """A repository that was named, or found.

    Attributes:
        given: its address, or its path.
        line: where a file names it, such as `fleet.txt:3`.
        name: what it is called in a table.
        problem: what is wrong with the line; then there is nothing to work on.
    """

    given: str
    line: str = ""
    name: str = ""
    problem: str = ""

    @property
    def is_remote(self) -> bool:
        """Whether git must be asked for it."""
        return addresses.is_remote(self.given)


def members(given: Sequence[str]) -> list[Member]:
    """The repositories that arguments name, in their order, with names that differ.

    Raises:
        ScaffoldError: where an argument names nothing.
    """
    found: list[Member] = []
    for each in given:
        path = Path(each).expanduser()
        if addresses.is_remote(each):
            addresses.check(each)
            found.append(Member(each))
        elif path.is_file():
            listed = list(_listed(path))
            if not listed:
                raise ScaffoldError(f"{path} lists nothing; put a path or an address on each line")
            found += listed
        elif path.is_dir():
            inside = [path] if _is_one(path) else _below(path)
            if not inside:
                raise ScaffoldError(
                    f"{path} holds no repository with {ANSWERS}, one or two folders down; name "
                    "another folder, or a file that lists paths and addresses"
                )
            found += [Member(str(one.resolve())) for one in inside]
        else:
            raise ScaffoldError(
                f"{each} is no file, no folder and no address of git; name one of these"
            )
    _name(found)
    return found


def _listed(file: Path) -> Iterator[Member]:
    """What a file lists: a path, from where the file is, or an address, on each line."""
    try:
        lines = file.read_text("utf-8").splitlines()
    except UnicodeDecodeError:
        raise ScaffoldError(f"{file} is no text; list a path or an address on each line") from None
    for number, text in enumerate(lines, 1):
        said = (" " + text).partition(" #")[0].strip()
        if not said:
            continue
        member = Member(said, f"{file.name}:{number}")
        try:
            if member.is_remote:
                addresses.check(said)
            else:
                path = file.parent / Path(said).expanduser()
                member.given = str(path.resolve())
                if not path.is_dir():
                    member.problem = f"{member.line}: {said} is no folder and no address of git"
        except ScaffoldError as error:
            member.given = addresses.redact(said)
            member.problem = f"{member.line}: {error}"
        yield member


def _is_one(path: Path) -> bool:
    return (path / ANSWERS).is_file() or (path / ".git").exists() or _is_bare(path)


def _is_bare(path: Path) -> bool:
    return (path / "HEAD").is_file() and (path / "objects").is_dir()


def _below(path: Path) -> list[Path]:
    """Repositories with a template, one or two folders down; not what stands inside of one."""
    found: list[Path] = []
    for folder in sorted(path.iterdir()):
        if folder.name.startswith(".") or not folder.is_dir():
            continue
        if _is_one(folder):
            found += [folder] if (folder / ANSWERS).is_file() else []
            continue
        try:
            found += sorted(one for one in folder.iterdir() if (one / ANSWERS).is_file())
        except OSError:  # A folder that we may not read is nobody's repository here.
            continue
    return found


def _name(found: Sequence[Member]) -> None:
    """Call each by the end of its address: as much of it as tells it from the others."""
    parts = [
        each.given.rstrip("/").removesuffix(".git").replace(":", "/").split("/") for each in found
    ]
    for length in (1, 2, 3):
        short = ["/".join(part[-length:]) for part in parts]
        for member, name, part in zip(found, short, parts, strict=True):
            same = [other for other, each in zip(parts, short, strict=True) if each == name]
            if not member.name and all(other == part for other in same):
                member.name = name
    for member in found:
        member.name = member.name or member.given
