"""What to do: for each answer where to begin, for each pain what cures it, and with what of ours.

Commands and pages are those of a generated repository; a test holds that they are there.
"""

from dataclasses import dataclass

from scaffold.deciding.answers import Pain
from scaffold.deciding.rules import Verdict


@dataclass(frozen=True)
class Tool:
    """A command or a page, and what it does for you."""

    name: str
    about: str


@dataclass(frozen=True)
class Cure:
    """What helps, in a sentence or two, and what of ours does it."""

    advice: str
    tools: tuple[Tool, ...]


BEGIN = {
    Verdict.MONOLITH: Cure(
        "One deployable and one database, with a module for each part of the domain. It grows by "
        "more instances, a bigger machine, replicas for reads, and caching.",
        (
            Tool("scaffold new shop", "a repository of that form, if you have none"),
            Tool("scaffold add-module billing", "one more module: its own tables, role and tests"),
            Tool("make boundaries", "refuses what reaches around a module's interface"),
            Tool("docs/scaling.md", "more instances, workers and replicas"),
        ),
    ),
    Verdict.MODULAR: Cure(
        "One deployable, in which each module has one team that owns it: its code, its tables, its "
        "objectives and its alerts.",
        (
            Tool("scaffold modules", "who owns what"),
            Tool("scaffold add-module billing --owner @acme/payments", "a module of another team"),
            Tool("app map", "what depends on what; dependencies in a circle are refused"),
            Tool("make test-changed", "tests what a change can break, and nothing else"),
        ),
    ),
    Verdict.CARVED: Cure(
        "Make that part a module first. Carve it when its interface has been quiet for a while, "
        "and one at a time: each is a deployment, a contract and a place to fail of its own.",
        (
            Tool("scaffold add-module payments", "the part as a module, with an interface"),
            Tool("app map", "marks with (tx) the methods that a network would break"),
            Tool("app openapi --module payments", "its API as a document to agree on"),
            Tool(
                "docs/observability.md#objectives-and-alerts", "objectives of its own, already now"
            ),
        ),
    ),
    Verdict.SERVICES: Cure(
        "Each team gets a service that it can release alone. First have people whose work the "
        "platform is, and traces that everybody can read. Inside, each is a modular monolith.",
        (
            Tool("app map", "where today's dependencies run; cut where there are few"),
            Tool("scaffold new payments", "a repository for each team, all from one template"),
            Tool("scaffold fleet", "keeps all of them on what the template has learnt"),
            Tool("make client", "a typed client of a service's API"),
            Tool("docs/observability.md#traces", "one trace from the request to the last job"),
        ),
    ),
}

CURES = {
    Pain.SLOW_ENDPOINT: Cure(
        "A slow query stays slow in a service of its own. Find it, then give it an index, a cached "
        "read, or a job that does the work after the answer.",
        (
            Tool("app slow", "the slowest statements, with plans and remedies"),
            Tool("docs/runbook.md#latencyburn", "from a slow route to its cause"),
            Tool("docs/architecture.md#caching", "a cache in front of what is read often"),
            Tool(".agents/skills/add-a-job-or-event/SKILL.md", "take work out of the request"),
        ),
    ),
    Pain.PEGGED_DATABASE: Cure(
        "Services would only spread the same load. See which module uses the database up, and mend "
        "its worst statements. Then send reads elsewhere, or take a bigger machine.",
        (
            Tool("app slow", "what to mend first"),
            Tool(
                "docs/observability.md#metrics", "db_module_seconds_total: the time of each module"
            ),
            Tool("docs/architecture.md#reading", "reads on a replica"),
            Tool("docs/architecture.md#caching", "reads that never reach the database"),
            Tool("docs/scaling.md#how-many-connections", "fewer connections often do more"),
        ),
    ),
    Pain.SCARY_DEPLOY: Cure(
        "More services are more deploys of the same kind. Make this one boring first: small, "
        "checked by a pipeline, without a pause, quick to take back, and apart from the release of "
        "a feature.",
        (
            Tool("make check", "what the pipeline asks, on your machine"),
            Tool("app flags", "features that are deployed and not yet on"),
            Tool(
                "docs/postgres.md#changing-a-table-without-stopping", "migrations beside old code"
            ),
            Tool("docs/scaling.md#restarting-without-failures", "restarts that nobody notices"),
            Tool("docs/release.md#go-back", "the release before, again"),
        ),
    ),
    Pain.TANGLED_CODE: Cure(
        "That asks for walls between modules, not between machines. You can have them in one "
        "repository and one deploy, today.",
        (
            Tool("make boundaries", "refuses imports that no module declares"),
            Tool("make sql", "who touches whose tables"),
            Tool("scaffold doctor", "what else is off the path, and what to do"),
            Tool("app map", "the modules as they depend on each other"),
            Tool("scaffold add-module billing", "a place for what belongs together"),
        ),
    ),
    Pain.BLOCKED_TEAM: Cure(
        "The one pain that services do cure. Clearer ownership of modules cures it as well, and so "
        "do teams cut in another way; both cost less, so try them first.",
        (
            Tool("CODEOWNERS", "whom a change waits for, module by module"),
            Tool("scaffold modules", "who owns what, and what it depends on"),
            Tool("app flags", "ship what is not finished, switched off"),
            Tool("docs/observability.md#objectives-and-alerts", "each owner hears of their own"),
        ),
    ),
}


def as_markdown() -> str:
    """The cures, as the documentation has them."""
    rows = [
        f"| `{pain}` | {cure.advice} | {', '.join(f'`{tool.name}`' for tool in cure.tools)} |"
        for pain, cure in CURES.items()
    ]
    return "| what hurts | what helps | with |\n|---|---|---|\n" + "\n".join(rows) + "\n"
