"""The record of the decision, as Michael Nygard writes them."""

import os
import re
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import NamedTemporaryFile

from scaffold.deciding.answers import Reason
from scaffold.deciding.report import Decision, nearest, shown
from scaffold.deciding.rules import ARTICLE, Verdict
from scaffold.errors import ScaffoldError

FOLDER = Path("docs", "adr")
_NUMBERED = re.compile(r"(?P<number>\d+)-.*\.md", re.IGNORECASE)

_DECISION = {
    Verdict.MONOLITH: "We build one deployable, with a module for each part of the domain.",
    Verdict.MODULAR: "We build one deployable. Each of its modules has one team that owns it.",
    Verdict.CARVED: "We build one deployable. A part of it that has a reason to be a service "
    "({reasons}) is carved out: {number}. Everything else stays together.",
    Verdict.SERVICES: "We build services along the lines of our teams, each a modular monolith.",
}
_CONSEQUENCES = {
    Verdict.MONOLITH: "There is one pipeline, one deploy, one log and one rotation on call. Calls "
    "between modules cannot time out, and one transaction may span them. We scale by more "
    "instances, a bigger machine, replicas and a cache. Checks must hold the walls between "
    "modules, since no network does.",
    Verdict.MODULAR: "All teams share one pipeline and one deploy, so these must be quick and "
    "boring. What one team breaks can reach another. A change across modules needs the owner of "
    "each, but no migration of a contract.",
    Verdict.CARVED: "What is carved has a deployment, a contract, objectives and alerts of its "
    "own. Calls to it can fail, and no transaction spans it. Changing its contract takes releases "
    "instead of minutes. The next part needs a reason of its own.",
    Verdict.SERVICES: "Teams release without each other. No transaction spans two services; "
    "contracts change in steps, over several releases. The platform is now somebody's work: "
    "templates, secrets, pipelines, traces.",
}


def as_markdown(decision: Decision, number: int) -> str:
    """The record, whole."""
    rule = decision.rule
    carved = "one" if rule.carve == 1 else "one, or two at most"
    reasons = ", ".join(each for each in Reason if each in decision.answers.reasons)
    answers = [
        f"| {name} | {shown(value)} | {_source(decision.answered.sources[name])} |"
        for name, value in decision.answers.as_dict().items()
    ]
    facts = [f"- From {fact.source}: {fact.text}." for fact in decision.facts.found]
    cures = [f"- {pain}: {cure.advice}" for pain, cure in decision.cures.items()]
    parts = [
        f"# {number}. {decision.title}",
        f"Date: {date.today().isoformat()}",
        "## Status",
        "Proposed",
        "## Context",
        "Should this system be cut into services? We answered:",
        "\n".join(["| question | answer | from |", "|---|---|---|", *answers]),
        *(["What the repository says:", _list(facts)] if facts else []),
        "## Decision",
        _fill(_DECISION[rule.verdict].format(number=carved, reasons=reasons)),
        _fill(f"The rule `{rule.id}` decides: {rule.when}. {rule.because}"),
        _fill(f"Source: {ARTICLE}: {rule.source}."),
        "## Consequences",
        _fill(_CONSEQUENCES[rule.verdict]),
        *(["What hurts has cures of its own:", _list(cures)] if cures else []),
        "We decide again when one of these becomes true:",
        _list([f"- {way}: {result}." for result, way in nearest(decision)]),
    ]
    return "\n\n".join(parts) + "\n"


def write(decision: Decision, root: Path) -> Path:
    """Write it below the next free number, whole or not at all. Nothing is ever overwritten."""
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^a-z]+", "-", decision.title.lower())
    with _alone(folder):
        taken = [found for path in folder.iterdir() if (found := _NUMBERED.fullmatch(path.name))]
        number = max((int(found["number"]) for found in taken), default=0) + 1
        width = max((len(found["number"]) for found in taken), default=4)
        file = folder / f"{number:0{width}}-{name}.md"
        with NamedTemporaryFile(
            "w", encoding="utf-8", newline="\n", dir=folder, prefix="."
        ) as made:
            made.write(as_markdown(decision, number))
            made.flush()
            Path(made.name).chmod(0o666 & ~_umask())
            try:
                file.hardlink_to(made.name)
            except FileExistsError:
                raise ScaffoldError(f"{file} appeared just now; try again") from None
    return file


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other `scaffold` takes a number here."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _source(source: str) -> str:
    return {"option": "us", "file": "us", "asked": "us", "assumed": "assumed"}.get(source, source)


def _fill(text: str) -> str:
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


def _list(items: list[str]) -> str:
    return "\n".join(
        textwrap.fill(item, 100, subsequent_indent="  ", break_on_hyphens=False) for item in items
    )
