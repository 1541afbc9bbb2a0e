"""Templates with a history, and repositories that follow them."""

from pathlib import Path

from helpers import git

MODULE = "src/app/modules/{% yield module from modules %}{{ module }}{% endyield %}"
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
