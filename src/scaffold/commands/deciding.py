"""The command that answers "microservices?"."""

import json
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scaffold import screen
from scaffold.commands.common import Inside, Json, app
from scaffold.errors import ScaffoldError

if TYPE_CHECKING:
    from scaffold.deciding.cures import Cure
    from scaffold.deciding.report import Decision

_WIDTH = 96


@app.command()
def decide(
    engineers: Annotated[
        str | None, typer.Option(metavar="N", help="How many work on the system.")
    ] = None,
    teams: Annotated[str | None, typer.Option(metavar="N", help="In how many teams.")] = None,
    products: Annotated[
        str | None,
        typer.Option(metavar="one|suite|several", help="suite: they change and ship together."),
    ] = None,
    hurts: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PAIN",
            help="slow-endpoint, pegged-database, scary-deploy, tangled-code, blocked-team; "
            "may be repeated.",
        ),
    ] = None,
    isolation: Annotated[
        bool | None,
        typer.Option("--isolation/--no-isolation", help="One part must not fail with the rest."),
    ] = None,
    scaling: Annotated[
        bool | None,
        typer.Option("--scaling/--no-scaling", help="One part scales in a wildly different way."),
    ] = None,
    technology: Annotated[
        bool | None,
        typer.Option("--technology/--no-technology", help="One part needs another technology."),
    ] = None,
    partner: Annotated[
        bool | None,
        typer.Option("--partner/--no-partner", help="Partners build on one part, for years."),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Answers in TOML, under the names of these options."),
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|URL", help="What a process serves at /metrics; may be repeated."
        ),
    ] = None,
    adr: Annotated[
        bool, typer.Option("--adr", help="Write the record of it to docs/adr/ of the repository.")
    ] = False,
    as_json: Json = False,
    inside: Inside = Path(),
) -> None:
    """Say whether to build a monolith or microservices, and why.

    Eight questions, asked on a terminal unless an option or the file answers them. In a repository,
    git and CODEOWNERS suggest how many engineers and teams there are.

    \b
    Examples:
      scaffold decide
      scaffold decide --engineers 8 --teams 1 --products one --hurts slow-endpoint
      scaffold decide --answers acme.toml --json
      scaffold decide -C ~/src/shop --products suite --metrics http://127.0.0.1:9464/metrics --adr
    """
    from scaffold.deciding import facts, questions, record, report
    from scaffold.deciding import metrics as measured

    root = _repository(inside, adr)
    place = _record_place(inside, root) if adr else None
    known = facts.gather(root, measured.read(metrics or []))
    options = {
        "engineers": engineers,
        "teams": teams,
        "products": products,
        "hurts": hurts or None,
        "isolation": isolation,
        "scaling": scaling,
        "technology": technology,
        "partner": partner,
    }
    try:
        ask = screen.ask if sys.stdin.isatty() else None
        answered = questions.collect(options, answers, known, ask)
    except questions.MissingError as error:
        raise typer.Exit(screen.complain(str(error), 2)) from None
    decision = report.decided(answered, known)
    written = record.write(decision, place) if place else None
    if as_json:
        done = {**report.as_dict(decision), "adr": str(written) if written else None}
        print(json.dumps(done, indent=2))
        return
    _print(decision)
    if not root:
        print()
        _paragraph("Commands and pages are those of a repository that `scaffold new` makes.")
    if written:
        print(f"\nWrote {written}. Next: read it, and git add it")


def _repository(inside: Path, adr: bool) -> Path | None:
    """The repository of ours that a folder is in. There need not be one, unless -C names it.

    A record is kept in any repository.
    """
    from scaffold.repository import find_root

    try:
        return find_root(inside)
    except ScaffoldError:
        if inside != Path() and not (adr and inside.is_dir()):
            raise
        return None


def _record_place(inside: Path, root: Path | None) -> Path:
    from scaffold import git

    place = root or git.around(inside)
    if place is None:
        raise ScaffoldError(
            "a record is kept in a repository, and this is none; go into one, or name it with -C"
        )
    return place


def _print(decision: "Decision") -> None:
    from scaffold.deciding.report import nearest, shown
    from scaffold.deciding.rules import ARTICLE

    rule, answered = decision.rule, decision.answered
    print(screen.strong(f"{decision.title}."))
    _paragraph(rule.because)
    print()
    _paragraph(f"Rule {rule.id}: {rule.when}.")
    _paragraph(f"Source: {ARTICLE}: {rule.source}.")
    _cure("Where to begin", decision.begin)
    for pain, cure in decision.cures.items():
        _cure(f"What hurts: {pain}", cure)
    _heading("What would change the answer")
    for result, way in nearest(decision):
        _paragraph(f"{result}: {way}", "  ", "  ")
    _heading("What you answered")
    for name, value in answered.answers.as_dict().items():
        source = answered.sources[name]
        note = {"option": "", "file": "", "asked": "", "assumed": "  (assumed)"}
        print(f"  {name:<11} {shown(value)}{note.get(source, f'  (from {source})')}")
    if decision.facts.found:
        _heading("What the repository says")
        for fact in decision.facts.found:
            _paragraph(f"from {fact.source}: {fact.text}", "  ", "  ")


def _heading(text: str) -> None:
    print(f"\n{screen.strong(text)}")


def _cure(heading: str, cure: "Cure") -> None:
    _heading(heading)
    _paragraph(cure.advice, "  ")
    width = max(len(tool.name) for tool in cure.tools)
    for tool in cure.tools:
        print(f"    {tool.name:<{width}}  {tool.about}")


def _paragraph(text: str, indent: str = "", more: str = "") -> None:
    """Print prose; `more` is how much further all lines but the first go in."""
    filled = textwrap.TextWrapper(
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + more,
        break_on_hyphens=False,
        break_long_words=False,
    )
    print(filled.fill(text))
