"""A generated repository names its tool and fetches it, and its skills say what works."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from documented import follow_skill
from generated import UV, Generate, Repository
from helpers import git
from published import publish, record
from running import running

SKILLS = {
    "add-a-job-or-event",
    "add-a-module",
    "at-3-am",
    "change-a-table",
    "find-a-slow-statement",
    "rename-or-remove-a-module",
    "update-from-the-template",
}
ADDRESSES = {
    "/srv/a template": "file:///srv/a%20template",
    "gh:acme/template": "https://github.com/acme/template",
    "gl:acme/group/template.git": "https://gitlab.com/acme/group/template.git",
    "https://git.acme.org:8443/template.git": "https://git.acme.org:8443/template.git",
    "git+https://git.acme.org/template": "https://git.acme.org/template",
    "git@github.com:acme/template.git": "ssh://git@github.com/acme/template.git",
    "git.acme.org:/srv/template.git": "ssh://git.acme.org/srv/template.git",
    "ssh://git@git.acme.org:2222/template.git": "ssh://git@git.acme.org:2222/template.git",
}


@pytest.fixture(scope="module")
def template(real_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template with its tool beside it, as it is published."""
    return publish(real_template, tmp_path_factory.mktemp("published") / "template")


@pytest.fixture(scope="module")
def shop(
    generate: Generate, template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Repository:
    """A repository of that template with its own Postgres, on a machine that is new to it."""
    made = generate()
    cache = subprocess.run([UV, "cache", "dir"], capture_output=True, text=True, check=True)
    home = {"HOME": str(tmp_path_factory.mktemp("home")), "UV_CACHE_DIR": cache.stdout.strip()}
    kept = {name: value for name, value in made.environment.items() if name != "DATABASE_URL"}
    shop = Repository(made.path, {**kept, **home})
    record(shop, str(template))
    return shop


def test_skills_are_what_agents_expect(shop: Repository) -> None:
    """As in the specification of Agent Skills: https://agentskills.io/specification."""
    files = sorted((shop.path / ".agents/skills").glob("*/SKILL.md"))
    assert [file.parent.name for file in files] == sorted(SKILLS)
    for file in files:
        written = file.read_text("utf-8")
        assert written.count("\n") <= 40, file
        _, front, _ = written.split("---\n", 2)
        about = yaml.safe_load(front)
        assert about.keys() == {"name", "description"}
        assert about["name"] == file.parent.name
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", about["name"])
        assert " Use " in about["description"]
        assert len(about["description"]) <= 1024
    assert shop.read("CLAUDE.md") == "@AGENTS.md\n"


@pytest.mark.slow
def test_what_each_skill_says_is_done_by_its_commands(shop: Repository, template: Path) -> None:
    done: list[str] = []

    def follow(name: str, address: str = "") -> str:
        done.append(name)
        return follow_skill(shop, name, address)

    billing = "src/app/modules/billing"
    assert f"new     {billing}/tables.py" in follow("add-a-module")
    assert "InvoiceRow" in shop.read(f"{billing}/tables.py")
    assert "refund" in shop.read(f"{billing}/__init__.py")
    column = "    ready_at: Mapped[datetime | None]"
    shop.replace(f"{billing}/tables.py", column, f"    note: Mapped[str | None]\n{column}")
    follow("change-a-table")
    assert any("note" in file.read_text() for file in (shop.path / billing).glob("migrations/*.py"))
    with running(shop) as (_, url):
        assert "The queue is empty." in follow("add-a-job-or-event", url)
        follow("find-a-slow-statement", url)
        assert '"status"' in follow("at-3-am", url)
    shop.commit("Add billing")

    (template / "template/CODE_OF_CONDUCT.md").write_text("# Be kind\n", "utf-8")
    git(template, "add", "--all")
    git(template, "commit", "--quiet", "--message", "2")
    for tag in ("v1.2.0", "v1.10.0", "v2.0.0rc1"):
        git(template, "tag", tag)
    record(shop, f"git+file://{template}")
    follow("update-from-the-template")
    assert '_commit: "v1.10.0"' in shop.read(f"{billing}/.copier-answers.module.yml")
    assert shop.read("CODE_OF_CONDUCT.md") == "# Be kind\n"
    assert shop.changes() == []
    assert "Current: template v1.10.0." in shop.make("update", "options=--check")
    said = "Nothing off the path (template v1.10.0, newest v1.10.0, as of "
    assert said in shop.make("doctor")
    follow("rename-or-remove-a-module")
    entries = re.findall(
        r"^(rename|finish|remove) =", shop.read("src/app/modules/moved.toml"), re.M
    )
    assert entries == ["rename", "finish", "remove"]
    assert not (shop.path / billing).with_name("invoicing").exists()
    assert shop.changes() == []
    assert sorted(done) == sorted(SKILLS)


def test_an_address_is_written_as_uv_takes_it(shop: Repository) -> None:
    version = re.findall(r"^_commit: (\S+)$", shop.read(".copier-answers.yml"), re.M)[0]
    for recorded, taken in ADDRESSES.items():
        record(shop, recorded)
        said = shop.make("module", "name=billing", "options=--entity invoice", "--dry-run")
        run = (
            f"tool run --from 'git+{taken}@{version}' scaffold add-module billing --entity invoice"
        )
        assert run in said


def test_without_a_release_the_newest_commit_of_the_tool_is_taken(
    shop: Repository, template: Path, tmp_path: Path
) -> None:
    untagged = tmp_path / "template"
    shutil.copytree(template, untagged)
    git(untagged, "tag", "--delete", *git(untagged, "tag", "--list").split())
    commit = git(untagged, "rev-parse", "HEAD")
    record(shop, str(untagged))
    for name in shop.git("ls-files", "*.copier-answers*.yml").split():
        text = re.sub(r"^_commit: .*", f"_commit: {commit}", shop.read(name), flags=re.M)
        (shop.path / name).write_text(text, "utf-8")
    shop.commit("Record the commit")
    assert f"Current: template {commit[:10]}." in shop.make("update", "options=--check")


def test_what_cannot_be_fetched_or_is_not_named_is_refused_in_a_sentence(shop: Repository) -> None:
    for recorded in ("~/.cache/scaffold-monolith/template", "../template", "git://acme.org/x.git"):
        record(shop, recorded)
        for target in (("module", "name=billing"), ("update",), ("doctor",), ("scaffold",)):
            said = shop.make(*target, check=False)
            assert said.startswith(
                f"The template is recorded as {recorded}, which uv cannot fetch its tool from: "
                "install scaffold, and run `scaffold template URL`.\n"
            )
    record(shop, "gh:acme/template")
    for target, named in {"module": "name=billing", "entity": "module=billing name=refund"}.items():
        said = shop.make(target, check=False)
        assert said.startswith(f"Say which: make {target} {named}\n")
    assert shop.changes() == []
