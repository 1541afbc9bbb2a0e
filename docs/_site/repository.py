"""Pages that stand elsewhere: the generated repository's documentation, README, and releases.

They are written to `docs/repository/` and `docs/releases/`, which git ignores. Links go by where a
text stands in this repository, as they do on a forge; here they are made links of the site.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import jinja2
import yaml
from sphinx.application import Sphinx
from sphinx.util import logging

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TEMPLATE = ROOT / "template"
README = "<!-- README.md, without its title -->\n"
_ANSWERS = {  # All there is to read about.
    "project_name": "shop",
    "description": "A modular monolith.",
    "owner": "@acme/team",
    "ci": "github",
    "catalog": "backstage",
    "deploy": "both",
    "services": {"billing": {"needs": ["identity"], "port": 8001, "data": 5433}},
}
_LOGGER = logging.getLogger(__name__)
_FENCED = re.compile(r"^( *)```.*?^\1```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


def _origins() -> dict[str, Path]:
    """The file that each page is made of, by the page's name."""
    pages = {"repository/readme": TEMPLATE / "README.md.jinja"}
    pages["repository/agents"] = TEMPLATE / "AGENTS.md"
    pages["repository/example"] = ROOT / "examples/README.md"
    for page in sorted(TEMPLATE.glob("docs/*.md*")):
        pages[f"repository/{page.name.partition('.')[0]}"] = page
    for skill in sorted(TEMPLATE.glob(".agents/skills/*/SKILL.md")):
        pages[f"repository/{skill.parent.name}"] = skill
    return pages


ORIGINS = _origins()
_PAGES = {str(path).removesuffix(".jinja"): page for page, path in ORIGINS.items()}
_PAGES |= {str(ROOT / "README.md"): "index", str(ROOT / "CHANGELOG.md"): "upgrade"}
_PAGES[str(DOCS / "adr")] = "adr/index"


def write_pages(_app: Sphinx) -> None:
    """Write the pages that are made of others."""
    jinja = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    answers = _ANSWERS | _computed(jinja)
    for page, path in ORIGINS.items():
        text = path.read_text("utf-8")
        if path.suffix == ".jinja":
            text = jinja.from_string(text).render(answers)
        _write(page, text)
    for page, text in _releases():
        _write(page, text)


def _computed(jinja: jinja2.Environment) -> dict[str, Any]:
    """What `copier.yml` makes of answers, as far as it does so by Jinja alone."""
    found: dict[str, Any] = {}
    for name, question in yaml.safe_load((ROOT / "copier.yml").read_text("utf-8")).items():
        if not name.startswith("_") and question.get("when") is False:
            with suppress(jinja2.TemplateError):
                said = jinja.from_string(str(question["default"])).render(_ANSWERS | found)
                found[name] = yaml.safe_load(said)
    return found


def _releases() -> Iterator[tuple[str, str]]:
    """A page for each section of the changelog, with what happens to a team's own code."""
    changes = yaml.safe_load((ROOT / "template-changes.yaml").read_text("utf-8"))
    by_version = {str(each["version"]): each["changes"] for each in changes}
    sections = re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text("utf-8"), flags=re.MULTILINE)
    for section in sections[1:]:
        title, _, text = section.partition("\n")
        version = title.split()[0].strip("[]").lower()
        heading = f"What is new, and what an update to it changes: {title.lower()}."
        text = re.sub("^###", "##", text.rstrip(), flags=re.MULTILINE)
        parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)
        added = [part for part in parts if part.startswith("## Added")]
        changed = [part for part in parts if part not in added]
        moves = "\n".join(_moves(by_version.get(version, [])))
        page = f"# {title}\n\n{heading}\n"
        yield f"releases/{version}", "\n\n".join([page, *changed, moves, *added])


def _moves(changes: list[dict[str, str]]) -> Iterator[str]:
    moved = [each for each in changes if "move" in each]
    if moved:
        yield "## What `scaffold update` rewrites in your code\n"
        yield "| was | is |\n|---|---|"
        yield from (f"| `{each['move']}` | `{each['to']}` |" for each in moved)
    if left := [each for each in changes if "move" not in each]:
        yield "\n## What it lists, for you to change\n"
        yield "| name | why |\n|---|---|"
        for each in left:
            yield f"| `{each.get('removed') or each.get('changed')}` | {each['because']} |"


def _write(page: str, text: str) -> None:
    path = DOCS / f"{page}.md"
    path.parent.mkdir(exist_ok=True)
    if not path.is_file() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")


def relink(_app: Sphinx, page: str, source: list[str]) -> None:
    """Make links between files links between pages."""
    origin = ORIGINS.get(page, DOCS / f"{page}.md")
    if page.startswith("releases/"):
        origin = ROOT / "CHANGELOG.md"
    text = _relinked(source[0], origin, page)
    if page == "index":
        readme = ROOT / "README.md"
        said = readme.read_text("utf-8").partition("\n")[2]
        text = text.replace(README, _relinked(said, readme, page))
    source[0] = text


def _relinked(text: str, origin: Path, page: str) -> str:
    parts, end = [], 0
    for fenced in [*_FENCED.finditer(text), None]:
        prose = text[end : fenced.start() if fenced else None]
        parts.append(_LINK.sub(lambda link: _link(link, origin, page), prose))
        if fenced:
            parts.append(fenced[0])
            end = fenced.end()
    return "".join(parts)


def _link(link: re.Match[str], origin: Path, page: str) -> str:
    mark, shown, address = link.groups()
    path, hash_, heading = address.partition("#")
    if "://" in address or not path:
        return link[0]
    file = Path(os.path.normpath(origin.parent / path))
    if file == TEMPLATE / "docs/architecture.svg":  # Drawn in each repository, of its own modules.
        file = DOCS / "shop.svg"
    here = (DOCS / page).parent
    if known := _PAGES.get(str(file).removesuffix(".jinja")):
        return f"[{shown}]({os.path.relpath(DOCS / known, here)}.md{hash_}{heading})"
    if mark and file.stem.endswith("-light"):  # A forge shows this one alone.
        shades = {shade: path.replace("-light", f"-{shade}") for shade in ("light", "dark")}
        return "".join(
            f"![{shown}]({os.path.relpath(origin.parent / its, here)}){{.only-{shade}}}"
            for shade, its in shades.items()
        )
    if file.is_relative_to(DOCS):
        return f"{mark}[{shown}]({os.path.relpath(file, here)}{hash_}{heading})"
    if ".md" in file.suffixes:
        _LOGGER.warning("%s is no page of the site", file.relative_to(ROOT), location=page)
    return shown  # Code: read it in a checkout.


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", write_pages)
    app.connect("source-read", relink)
    return {"parallel_read_safe": True}
