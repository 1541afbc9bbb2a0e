"""`scaffold update`, whatever a team and a template did: nothing is lost without a word.

Teams and templates are made of random changes to maps of files, and written by git's fast-import.
Every line is told from every other, so that it can be looked for in the result.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from helpers import git
from histories import Files, on_disk, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scaffold import objects
from scaffold.reader import TemplateVersion
from scaffold.update import Updated, update

EXAMPLES = os.environ.get("EXAMPLES")
"""How many; none is as many as take less than a minute, and the same each time."""

MODULES = "src/app/modules"
NAMED = ("catalog", "ordering", "billing", "alpha", "zeta")
SKELETON = MODULES + "/{% yield module from modules %}{{ module }}{% endyield %}"
QUESTIONS = """\
_subdirectory: "template{% if module is defined %}/src/app/modules/{% raw %}{% yield module from modules %}{{ module }}{% endyield %}{% endraw %}{% endif %}"
_answers_file: ".copier-answers{% if module is defined %}.module{% endif %}.yml"
name:
  type: str
  default: shop
modules:
  type: yaml
  default: [catalog, ordering]
  when: "{{ module is undefined }}"
"""
REGION = "region:\n  type: str\n  default: eu\n"
ANSWERS = "{{ _copier_answers | to_nice_yaml -}}\n"
PLACES = ("", "docs/", "docs/old/", "guides/", "src/app/platform/", "src/app/platform/web/")
NAMES = ("guide.md", "Guide.md", "notes", "docs", "a.txt", "b.txt", "héllo.txt", "wide open.md")


def lines(name: str, count: int) -> bytes:
    return "".join(f"{name} {number}\n" for number in range(count)).encode()


def started() -> Files:
    """The first version of a template."""
    files = {
        "{{ _copier_conf.answers_file }}.jinja": ANSWERS.encode(),
        "README.md.jinja": lines("readme", 8) + b"# {{ name }}\n",
        "docs/guide.md": lines("guide", 12),
        "docs/faq.md": lines("faq", 9),
        "docs/old/a.txt": lines("a", 7),
        "src/app/platform/health.py": lines("# health", 10),
        "src/app/platform/__init__.py": b"",
        "src/app/platform/short.py": b"# short\n",
        "logo.png": b"\x89PNG\0\1\2" + lines("png", 3),
        "run": lines("run", 6),
        f"{SKELETON}/__init__.py": b"",
        f"{SKELETON}/service.py.jinja": lines("# service", 8) + b"# {{ module }}\n",
        f"{SKELETON}/README.md.jinja": b"# {{ module }} of {{ name }}\n" + lines("of", 6),
        f"{SKELETON}/.copier-answers.module.yml.jinja": ANSWERS.encode()
        + b"module: {{ module }}\n",
    }
    return {"copier.yml": ("100644", (QUESTIONS + REGION).encode())} | {
        f"template/{path}": ("100755" if path == "run" else "100644", content)
        for path, content in files.items()
    }


class Story:
    """Changes to a map of files, each named and chosen by numbers."""

    def __init__(self, files: Files, mark: str, prefix: str = "") -> None:
        self.files, self.mark, self.prefix, self.count = files, mark, prefix, 0

    def pick(self, number: int) -> str | None:
        """A file that may be changed."""
        paths = [
            path
            for path in sorted(self.files)
            if path.startswith(self.prefix)
            and ".copier-answers" not in path
            and "_copier" not in path
        ]
        return paths[number % len(paths)] if paths else None

    def new_line(self) -> bytes:
        self.count += 1
        return f"# {self.mark} {self.count}\n".encode()

    def is_free(self, path: str) -> bool:
        """Whether a file can be here: no file is in its way, and it is in the way of none."""
        parents = ["/".join(path.split("/")[:n]) for n in range(1, path.count("/") + 1)]
        return (
            path not in self.files
            and not any(parent in self.files for parent in parents)
            and not any(each.startswith(f"{path}/") for each in self.files)
        )

    def place(self, number: int) -> str:
        return self.prefix + PLACES[number % len(PLACES)] + NAMES[number // 7 % len(NAMES)]

    def change(self, kind: str, one: int, two: int) -> None:
        getattr(self, kind)(one, two)

    def edit(self, one: int, two: int) -> None:
        if path := self.pick(one):
            mode, content = self.files[path]
            if mode == "120000":
                return
            found = content.splitlines(keepends=True)
            at = two % (len(found) + 1)
            if two % 3 and at < len(found) and b"{" not in found[at]:
                found[at] = self.new_line()
            else:
                found.insert(at, self.new_line())
            self.files[path] = (mode, b"".join(found))

    def cut(self, one: int, two: int) -> None:
        if path := self.pick(one):
            mode, content = self.files[path]
            found = content.splitlines(keepends=True)
            if mode != "120000" and found and b"{" not in found[two % len(found)]:
                del found[two % len(found)]
                self.files[path] = (mode, b"".join(found))

    def delete(self, one: int, two: int) -> None:
        if path := self.pick(one):
            del self.files[path]

    def rename(self, one: int, two: int) -> None:
        path, new = self.pick(one), self.place(two)
        if path and MODULES not in path:
            entry = self.files.pop(path)
            self.files[new if self.is_free(new) else path] = entry

    def move_folder(self, one: int, two: int) -> None:
        old = self.prefix + ("docs/", "docs/old/", "src/app/platform/")[one % 3]
        new = (
            self.prefix
            + ("handbook/", "guides/", "src/app/base/", "docs/new/", "guide.md/")[two % 5]
        )
        found = [path for path in self.files if path.startswith(old)]
        kept = {path: self.files.pop(path) for path in found}
        if all(self.is_free(new + path.removeprefix(old)) for path in found):
            kept = {new + path.removeprefix(old): entry for path, entry in kept.items()}
        self.files |= kept

    def split(self, one: int, two: int) -> None:
        path, new = self.pick(one), self.place(two)
        if path and self.files[path][0] != "120000" and self.is_free(new) and MODULES not in path:
            mode, content = self.files[path]
            found = content.splitlines(keepends=True)
            if b"{" not in b"".join(found[: len(found) // 2]):
                self.files[path] = (mode, b"".join(found[len(found) // 2 :]))
                self.files[new] = (mode, b"".join(found[: len(found) // 2]))

    def add(self, one: int, two: int) -> None:
        path = self.place(one)
        if self.is_free(path):
            self.files[path] = ("100644", b"".join(self.new_line() for _ in range(two % 8 + 1)))

    def chmod(self, one: int, two: int) -> None:
        path = self.pick(one)
        if path and self.files[path][0] != "120000":
            mode, content = self.files[path]
            self.files[path] = ("100644" if mode == "100755" else "100755", content)

    def crlf(self, one: int, two: int) -> None:
        path = self.pick(one)
        if path and self.files[path][0] != "120000" and b"\0" not in self.files[path][1]:
            mode, content = self.files[path]
            plain = content.replace(b"\r\n", b"\n")
            self.files[path] = (mode, plain.replace(b"\n", b"\r\n"))

    def symlink(self, one: int, two: int) -> None:
        if path := self.pick(one):
            self.files[path] = ("120000", f"{self.mark}-{two % 3}".encode())

    def binary(self, one: int, two: int) -> None:
        if path := self.pick(one):
            self.files[path] = ("100644", b"\0\1" + self.new_line())


class Template(Story):
    """What a template's authors do."""

    KINDS = ("edit", "edit", "cut", "delete", "rename", "move_folder", "split", "add", "chmod")
    KINDS += ("binary", "new_question", "new_default", "drop_question", "module_file")

    def _questions(self, old: str, new: str) -> None:
        text = self.files["copier.yml"][1].decode()
        self.files["copier.yml"] = ("100644", text.replace(old, new).encode())

    def new_question(self, one: int, two: int) -> None:
        self.count += 1
        name = f"asked_{self.count}"
        self.files["copier.yml"] = (
            "100644",
            self.files["copier.yml"][1] + f"{name}:\n  type: int\n  default: {two}\n".encode(),
        )
        path = f"template/{name}.txt.jinja"
        self.files[path] = ("100644", f"# {self.mark} {self.count} {{{{ {name} }}}}\n".encode())

    def new_default(self, one: int, two: int) -> None:
        self._questions("default: shop", "default: store")
        self._questions("default: eu", "default: us")

    def drop_question(self, one: int, two: int) -> None:
        self._questions(REGION, "")

    def module_file(self, one: int, two: int) -> None:
        self.files[f"template/{SKELETON}/more_{one % 2}.md"] = ("100644", self.new_line())


class Team(Story):
    """What a team does."""

    KINDS = ("edit", "edit", "cut", "delete", "rename", "move_folder", "split", "add", "chmod")
    KINDS += ("binary", "crlf", "symlink", "add_module", "remove_module", "delete_folder")

    def __init__(self, files: Files, rendered: Files) -> None:
        super().__init__(files, "team")
        self.rendered = rendered

    def add_module(self, one: int, two: int) -> None:
        for path, entry in of_modules(self.rendered, [NAMED[2 + one % 3]]).items():
            if path.startswith(f"{MODULES}/"):
                self.files.setdefault(path, entry)

    def remove_module(self, one: int, two: int) -> None:
        folder = f"{MODULES}/{('catalog', 'ordering', 'billing')[one % 3]}/"
        for path in [path for path in self.files if path.startswith(folder)]:
            del self.files[path]

    def delete_folder(self, one: int, two: int) -> None:
        folder = ("docs/", "docs/old/", "src/app/platform/")[one % 3]
        for path in [path for path in self.files if path.startswith(folder)]:
            del self.files[path]


Changes = list[tuple[str, int, int]]


def changes(kinds: tuple[str, ...], most: int) -> st.SearchStrategy[Changes]:
    numbers = st.integers(0, 60)
    return st.lists(st.tuples(st.sampled_from(kinds), numbers, numbers), min_size=1, max_size=most)


def replace(folder: Path, files: Files) -> None:
    """Commit other files."""
    git(folder, "rm", "-r", "--quiet", "--force", ".")
    for path, (mode, content) in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if mode == "120000":
            place.symlink_to(os.fsdecode(content))
        else:
            place.write_bytes(content)
            place.chmod(0o755 if mode == "100755" else 0o644)
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "Again")


def rendered(repository: Path, version: str) -> Files:
    """What a version makes: the app without modules, and five modules."""
    read = TemplateVersion(repository, git(repository, "rev-parse", version))
    found: Files = {}
    for module in ("", *NAMED):
        given = {"name": "shop", "region": "eu"} | ({"module": module} if module else {})
        where = f"{MODULES}/{module}/" if module else ""
        for path, file in read.render(str(repository), version, given=given).files.items():
            if module or not path.startswith(f"{MODULES}/"):
                found[where + path] = (file.mode, file.content)
    return found


def of_modules(files: Files, modules: Iterable[str]) -> Files:
    """The files of the app and of some modules."""
    return {
        path: entry
        for path, entry in files.items()
        if not path.startswith(f"{MODULES}/") or path.split("/")[3] in modules
    }


def state(folder: Path) -> tuple[object, ...]:
    return (
        on_disk(folder),
        git(folder, "rev-parse", "HEAD"),
        git(folder, "ls-files", "--stage"),
        git(folder, "status", "--porcelain"),
        git(folder, "for-each-ref"),
        sorted(path.name for path in (folder / ".git").iterdir()),
    )


def tokens(entry: tuple[str, bytes] | None) -> set[bytes]:
    """The lines of a file, whatever their ends."""
    return (
        {line.rstrip(b"\r") for line in entry[1].split(b"\n") if line.strip()} if entry else set()
    )


def check_team(base: Files, ours: Files, theirs: Files, result: Files, done: Updated) -> None:
    """Each edit of the team is in the result, or in a list."""
    conflicts = {each.path.partition("~")[0] for each in done.conflicts}
    known = set().union(*map(tokens, base.values()))
    for path, entry in ours.items():
        if ".copier-answers" in path or base.get(path) == entry:
            continue
        now = {path, done.moved.get(path, path)}
        if now & conflicts:
            assert any(q in result or any(r.startswith(f"{q}~") for r in result) for q in now), path
            continue
        found = [result[q] for q in now if q in result]
        assert found, f"{path} of the team is gone"
        (there, *_) = found
        added = tokens(entry) - (tokens(base[path]) if path in base else known)
        assert added <= tokens(there) or entry[0] == "120000", (
            f"{path} lost {added - tokens(there)}"
        )
        if entry[0] == "120000":
            assert there == entry, path
        if b"\0" in entry[1] and base.get(path, ("", b""))[1] != entry[1]:
            assert there[1] == entry[1], path
        if path in base:
            if entry[0] != base[path][0]:
                assert there[0] == entry[0], f"{path} lost its mode"
            if entry[0] != "120000" and base[path][0] != "120000":
                removed = tokens(base[path]) - tokens(entry)
                assert not removed & tokens(there), f"{path} has back {removed & tokens(there)}"
        is_text = b"\0" not in entry[1] + there[1]
        if is_text and entry[1].count(b"\r\n") > len(entry[1].splitlines()) * 0.9:
            assert there[1].count(b"\r\n") == there[1].count(b"\n"), f"{path} lost its line ends"
    for path in base.keys() - ours.keys():
        if path not in conflicts and path not in done.moved.values():
            assert path not in result, f"{path} is back"


def check_template(base: Files, ours: Files, theirs: Files, result: Files, done: Updated) -> None:
    """Each change of the template is in the result, or in a list."""
    conflicts = {each.path.partition("~")[0] for each in done.conflicts}
    told = conflicts | set(done.stays_deleted) | set(done.kept)
    for path, entry in theirs.items():
        if base.get(path) == entry:
            continue
        now = {path, done.moved.get(path, path)}
        if now & told:
            continue
        found = [result[q] for q in now if q in result]
        if not found:  # Moved by the template as it was, and deleted by the team.
            assert path not in base
            assert any(
                base[q][1] == entry[1] and q not in ours and q not in theirs for q in base
            ), f"{path} of the template did not come"
            continue
        (there, *_) = found
        new = tokens(entry) - set().union(*map(tokens, base.values()))
        assert new <= tokens(there), f"{path} did not get {new - tokens(there)}"
        if path in base and entry[0] != base[path][0] and path not in done.moved:
            assert there[0] == entry[0], f"{path} did not get its mode"
        if path in base:
            removed = tokens(base[path]) - tokens(entry)
            assert not removed & tokens(there), f"{path} still has {removed & tokens(there)}"
    for path in base.keys() - theirs.keys():
        if path in ours and path not in told and path not in done.moved.values():
            assert path not in result, f"{path} is still there"


def check_update(
    origin: Path, shop: Path, all_base: Files, ours: Files, to: str, also: int
) -> Updated:
    """Update a repository, and compare what is said with what is there."""
    before = state(shop)
    planned = update(shop, to=to, dry_run=True) if also == 0 else None
    if planned:
        assert state(shop) == before
    done = update(shop, to=to)
    for name in ("changed", "conflicts", "moved", "stays_deleted", "kept", "defaults"):
        assert planned is None or getattr(planned, name) == getattr(done, name), name
    unmerged = set(objects.plumb("ls-files", "-u", "-z", cwd=shop).split(b"\0")[:-1])
    unmerged = {line.decode().split("\t")[1] for line in unmerged}
    assert unmerged == {each.path for each in done.conflicts}
    result = on_disk(shop)
    assert {path for path, (_, content) in result.items() if b"<<<<<<< " in content} <= unmerged
    recorded = {path.split("/")[3] for path in ours if path.endswith(".copier-answers.module.yml")}
    base, theirs = (of_modules(each, recorded) for each in (all_base, rendered(origin, done.new)))
    check_team(base, ours, theirs, result, done)
    check_template(base, ours, theirs, result, done)
    if done.conflicts:
        assert git(shop, "rev-parse", "HEAD") == before[1]
        if also == 1:
            git(shop, "cherry-pick", "--abort")
            assert state(shop)[:5] == before[:5]
            assert update(shop, to=to).conflicts == done.conflicts
        git(shop, "add", "--all")
        git(shop, "commit", "--quiet", "--no-edit", "--allow-empty")
    elif done.changed:
        assert git(shop, "rev-parse", "HEAD^") == before[1]
    assert git(shop, "status", "--porcelain") == ""
    if also == 2:
        after = state(shop)
        second = update(shop, to=to)
        assert second.is_current, (second.changed, second.conflicts)
        assert state(shop) == after
    return done


def play(by_team: Changes, by_template: Changes, releases: int, also: int) -> None:
    """Make a template and a repository with changes to both, and update."""
    with TemporaryDirectory(prefix="properties-", ignore_cleanup_errors=True) as folder:
        origin, shop = Path(folder, "origin"), Path(folder, "shop")
        story = Template(started(), "template", "template/")
        versions = [("v1.0.0", dict(story.files))]
        for number, change in enumerate(by_template, 1):
            story.change(*change)
            if number % releases == 0 or number == len(by_template):
                versions.append((f"v1.{len(versions)}.0", dict(story.files)))
        middle = versions[-1][0]
        for kind, one, two in by_template:
            story.change(kind, one + 7, two + 11)
        write(origin, [*versions, ("v2.0.0", story.files)])
        base = rendered(origin, "v1.0.0")
        team = Team(of_modules(base, ("catalog", "ordering")), base)
        start = dict(team.files)
        for change in by_team:
            team.change(*change)
        team.files.setdefault(f"{MODULES}/__init__.py", ("100644", b""))
        write(shop, [("start", start), ("edited", team.files)])
        git(shop, "tag", "--delete", "start", "edited")
        done = check_update(origin, shop, base, team.files, middle, also)
        if also == 3 and not done.conflicts:  # And once more, from what has come of it.
            team.files, team.rendered = on_disk(shop), rendered(origin, middle)
            for kind, one, two in by_team:
                team.change(kind, one + 5, two + 3)
            team.files.setdefault(f"{MODULES}/__init__.py", ("100644", b""))
            replace(shop, team.files)
            check_update(origin, shop, team.rendered, team.files, "v2.0.0", also)


@pytest.mark.slow
@settings(
    max_examples=int(EXAMPLES or 20),
    derandomize=EXAMPLES is None,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(changes(Team.KINDS, 8), changes(Template.KINDS, 8), st.integers(1, 4), st.integers(0, 3))
def test_nothing_is_lost_without_a_word(by_team, by_template, releases, also):
    play(by_team, by_template, releases, also)
