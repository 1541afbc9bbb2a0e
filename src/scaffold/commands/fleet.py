"""Commands for many repositories at once."""

import json
import os
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from scaffold import screen
from scaffold.commands.common import From, Json, app
from scaffold.fleet.forges import Kind

if TYPE_CHECKING:
    from scaffold.fleet.following import Wanted
    from scaffold.fleet.listing import Member
    from scaffold.fleet.memory import Memory
    from scaffold.fleet.outcome import Outcome


class Only(StrEnum):
    """What a run takes up again."""

    FAILED = "failed"


fleet = typer.Typer(help="Look after many repositories at once.", no_args_is_help=True)
app.add_typer(fleet, name="fleet")

Which = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE|DIR|URL...",
        help="A file with a path or URL on each line, a folder of repositories, a repository.",
    ),
]
To = Annotated[
    str | None,
    typer.Option("--to", metavar="VERSION", help="Tag, branch or commit. Default: the newest."),
]
Jobs = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="How many at a time. Default: one for each core."),
]


@fleet.command()
def status(
    fleet: Which, to: To = None, jobs: Jobs = None, source: From = None, as_json: Json = False
) -> None:
    """Say who is behind, and what would conflict.

    Looks at default branches, and changes nothing. Files that several repositories have edited are
    listed: what they share may belong into the template. In a folder, repositories are those with a
    .copier-answers.yml.

    \b
    Examples:
      scaffold fleet status ~/src
      scaffold fleet status fleet.txt --json
    """
    from scaffold.fleet.following import Wanted
    from scaffold.fleet.listing import members

    wanted = Wanted(to=to, source=source, dry_run=True)
    _run(members(fleet), wanted, jobs, None, as_json)


@fleet.command()
def update(
    fleet: Which,
    to: To = None,
    check: Annotated[
        bool, typer.Option("--check", help="Run `make check` on each update.")
    ] = False,
    minutes: Annotated[
        float, typer.Option("--check-minutes", metavar="N", min=0.01, help="How long it may take.")
    ] = 30,
    push: Annotated[bool, typer.Option("--push", help="Push the branches.")] = False,
    open_: Annotated[
        bool, typer.Option("--open", help="Push, and open a pull request for each.")
    ] = False,
    wave: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Open at most N pull requests; the next run goes on."
        ),
    ] = None,
    forge: Annotated[
        Kind | None, typer.Option(help="Where remotes do not say it: gh (GitHub), glab (GitLab).")
    ] = None,
    only: Annotated[
        Only | None,
        typer.Option(help="Go on with what the run before refused, failed or did not reach."),
    ] = None,
    jobs: Jobs = None,
    source: From = None,
    as_json: Json = False,
) -> None:
    """Bring each to the newest version, on a branch.

    The branch is called after the version, scaffold/v1.4.0. Each repository is updated from its
    default branch in a worktree of its own: checkouts are left alone. What was done before is not
    done again. A conflict makes no branch, and exits with 1; with --open it makes one without a
    change, and a draft that says what to merge, and how. Nothing is ever merged into a default
    branch.

    \b
    Examples:
      scaffold fleet update ~/src --check
      scaffold fleet update fleet.txt --open --wave 10
      scaffold fleet update fleet.txt --open --only failed
    """
    from scaffold.fleet import places
    from scaffold.fleet.following import Wanted, Wave
    from scaffold.fleet.listing import members
    from scaffold.fleet.memory import Memory

    if wave and not open_:
        raise typer.BadParameter("--wave counts pull requests; pass --open as well")
    wanted = Wanted(
        to=to,
        source=source,
        check=minutes if check else None,
        push=push or open_,
        open=open_,
        forge=forge,
        wave=Wave(wave),
    )
    found = members(fleet)
    memory = Memory(fleet)
    busy = f"another run over {memory.given} is at work; wait for it"
    with places.alone(memory.file.with_suffix(".lock"), busy):
        _run(memory.begin(found, only is not None), wanted, jobs, memory, as_json)


def _run(
    members: list["Member"],
    wanted: "Wanted",
    jobs: int | None,
    memory: "Memory | None",
    as_json: bool,
) -> None:
    from scaffold.fleet import progress, report
    from scaffold.fleet.outcome import State
    from scaffold.fleet.runs import run

    with progress.shown(len(members)) as show:

        def tell(outcome: "Outcome", is_done: bool) -> None:
            if is_done and memory:
                memory.note(outcome)
            show(outcome, is_done)

        done = run(members, wanted, jobs or os.cpu_count() or 1, tell)
    if as_json:
        print(json.dumps(report.as_dict(done, edits=wanted.dry_run), indent=2))
    elif done:
        report.show(done, edits=wanted.dry_run)
    else:
        print("Nothing is left to do.")
    if wanted.stopped.is_set():
        raise SystemExit(
            screen.complain("interrupted; the same command goes on where it stopped", 130)
        )
    fine = {State.CURRENT, State.CLEAN}
    told = {State.CONFLICT} if wanted.dry_run or wanted.open else set()  # Its draft tells it.
    if any(each.state not in fine | told for each in done):
        raise typer.Exit(1)
