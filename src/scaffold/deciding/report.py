"""What is answered: on a terminal, for scripts, and as a record of the decision."""

from dataclasses import asdict, dataclass
from typing import Any

from scaffold.deciding.answers import Answers, Pain
from scaffold.deciding.cures import BEGIN, CURES, Cure, Tool
from scaffold.deciding.facts import Facts
from scaffold.deciding.questions import Answered
from scaffold.deciding.rules import ARTICLE, Rule, Verdict, decide, title
from scaffold.deciding.ways import Way, in_words, ways

SCHEMA = 1
"""Of what `--json` prints. Keys may be added; a change of what is there raises it."""

RESULTS = {
    Verdict.MONOLITH: "a monolith",
    Verdict.MODULAR: "a modular monolith",
    Verdict.CARVED: "a carved service",
    Verdict.SERVICES: "services along team lines",
}


@dataclass(frozen=True)
class Decision:
    """Everything that is answered.

    Attributes:
        begin: where to begin.
        cures: what helps, for each pain that was named.
    """

    answered: Answered
    facts: Facts
    rule: Rule
    ways: list[Way]
    begin: Cure
    cures: dict[Pain, Cure]

    @property
    def answers(self) -> Answers:
        """All answers."""
        return self.answered.answers

    @property
    def title(self) -> str:
        """The result, as a headline."""
        return title(self.rule)


def decided(answered: Answered, facts: Facts) -> Decision:
    """Apply the rules."""
    answers = answered.answers
    rule = decide(answers)
    cures = {pain: _sharpened(cure, facts) for pain, cure in CURES.items() if pain in answers.hurts}
    return Decision(answered, facts, rule, ways(answers), BEGIN[rule.verdict], cures)


def _sharpened(cure: Cure, facts: Facts) -> Cure:
    """The same, but it names the module that keeps the database busy, if one does."""
    slow = f"app slow --module {facts.busiest}" if facts.busiest else "app slow"
    return Cure(
        cure.advice,
        tuple(Tool(slow if t.name == "app slow" else t.name, t.about) for t in cure.tools),
    )


def as_dict(decision: Decision) -> dict[str, Any]:
    """For scripts."""
    rule = decision.rule
    return {
        "schema": SCHEMA,
        "answer": rule.verdict.value,
        "title": decision.title,
        "carve": rule.carve,
        "rule": {
            "id": rule.id,
            "when": rule.when,
            "because": rule.because,
            "article": ARTICLE,
            "section": rule.source,
        },
        "answers": {
            name: {"value": value, "source": decision.answered.sources[name]}
            for name, value in decision.answers.as_dict().items()
        },
        "ways": [{"answer": way.to.value, "changes": way.changes} for way in decision.ways],
        "begin": _cure(decision.begin),
        "cures": {pain.value: _cure(cure) for pain, cure in decision.cures.items()},
        "facts": [asdict(fact) for fact in decision.facts.found],
    }


def _cure(cure: Cure) -> dict[str, Any]:
    return {"advice": cure.advice, "tools": [asdict(tool) for tool in cure.tools]}


def nearest(decision: Decision) -> list[tuple[str, str]]:
    """For each other result, what would lead to it."""
    return [
        (RESULTS[verdict], "; or ".join(in_words(found)))
        for verdict in Verdict
        if (found := [way for way in decision.ways if way.to == verdict])
    ]


def shown(value: Any) -> str:
    """An answer, as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return str(value)
