"""Templates with a history, and repositories that follow them."""

import os
from pathlib import Path

from helpers import git

from scaffold import objects

MODULE = "src/app/modules/{% yield module from modules %}{{ module }}{% endyield %}"

Files = dict[str, tuple[str, bytes]]
"""Mode and content by path."""
TEN = "".join(f"line {number}\n" for number in range(1, 11))


class Template:
    """A template whose versions are made by a test."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def begin(self, questions: str, files: dict[str, str]) -> None:
        for name, content in files.items():
            self.write(name, content)
        (self.root / "copier.yml").write_text(questions)
        self.write("docs/guide.md", TEN)
        self.write("src/app/platform/health.py", "".join(f"value_{n} = {n}\n" for n in range(12)))
        self.write(f"{MODULE}/service.py.jinja", TEN + "# {{ module }}\n")
        git(self.root, "init", "--quiet", "--initial-branch=main")
        self.release("v1.0.0")

    def write(self, name: str, content: str) -> None:
        file = self.root / "template" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode())

    def move(self, old: str, new: str) -> None:
        (self.root / "template" / new).parent.mkdir(parents=True, exist_ok=True)
        (self.root / "template" / old).rename(self.root / "template" / new)

    def release(self, version: str) -> None:
        git(self.root, "add", "--all")
        git(self.root, "commit", "--quiet", "--allow-empty", "--message", version)
        git(self.root, "tag", version)


def commit(message: str = "Edit") -> None:
    git(Path(), "add", "--all")
    git(Path(), "commit", "--quiet", "--message", message)


def edit(file: str, old: str, new: str) -> None:
    text = Path(file).read_text()
    assert old in text
    Path(file).write_text(text.replace(old, new))


def write(folder: Path, commits: list[tuple[str, Files]]) -> None:
    """A repository with commits, each tagged with its name."""
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main", "--template=")
    stream = []
    for name, files in commits:
        stream.append(
            b"commit refs/heads/main\ncommitter T <t@example.org> 0 +0000\ndata %d\n%b\ndeleteall\n"
            % (len(name), name.encode())
        )
        for path, (mode, content) in files.items():
            quoted = path.replace("\\", "\\\\").replace('"', '\\"')
            stream.append(f'M {mode} inline "{quoted}"\ndata {len(content)}\n'.encode())
            stream.append(content + b"\n")
        stream.append(f"reset refs/tags/{name}\nfrom refs/heads/main\n\n".encode())
    objects.plumb("fast-import", "--quiet", cwd=folder, given=b"".join(stream))
    git(folder, "reset", "--hard", "--quiet")


def on_disk(folder: Path) -> Files:
    """What is in a folder, but for git's own."""
    found: Files = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if name.split("/")[0] == ".git":
            continue
        if path.is_symlink():
            found[name] = ("120000", os.fsencode(path.readlink()))
        elif path.is_file():
            found[name] = ("100755" if path.stat().st_mode & 0o100 else "100644", path.read_bytes())
    return found
