"""The rules, in one table. From above, the first that matches decides.

They are those of the article "Microservices aren't a scaling strategy" (Hexcore; it names no author
and no date), in our words. What hurts is not among the conditions: each pain has its own cure, and
services cure only one of them.
"""

from dataclasses import dataclass
from enum import StrEnum

from scaffold.deciding.answers import Answers, Products

ARTICLE = '"Microservices aren\'t a scaling strategy", Hexcore'

SMALL = 25
"""Engineers, about, from which modules need owners."""
LARGE = 80
"""Engineers from which services can pay."""
_NO_LIMIT = 10**9


class Verdict(StrEnum):
    """The four answers, from the fewest moving parts to the most."""

    MONOLITH = "monolith"
    MODULAR = "modular-monolith"
    CARVED = "carved-services"
    SERVICES = "services"


@dataclass(frozen=True)
class Rule:
    """When it applies, what it says, and why.

    Attributes:
        source: the section of the article that it is from.
        at_least: how many engineers there must be.
        below: how many there must not be.
        teams: how many teams there must be.
        products: which of these it must be.
        reason: whether one part has a reason to be a service.
        carve: how many services it lets carve out.
    """

    id: str
    verdict: Verdict
    because: str
    source: str
    at_least: int = 1
    below: int = _NO_LIMIT
    teams: int = 1
    products: frozenset[Products] = frozenset(Products)
    reason: bool = False
    carve: int = 0

    def matches(self, answers: Answers) -> bool:
        """Whether all conditions hold."""
        return (
            self.at_least <= answers.engineers < self.below
            and answers.teams >= self.teams
            and answers.products in self.products
            and (bool(answers.reasons) or not self.reason)
        )

    @property
    def when(self) -> str:
        """The conditions, in words."""
        conditions = (
            self._size,
            f"{self.teams} teams or more" if self.teams > 1 else "",
            " or ".join(PRODUCTS[each] for each in Products if each in self.products)
            if len(self.products) < len(Products)
            else "",
            "a reason to carve" if self.reason else "",
        )
        return ", ".join(filter(None, conditions))

    @property
    def _size(self) -> str:
        if self.at_least == 1:
            return f"fewer than {self.below} engineers"
        if self.below == _NO_LIMIT:
            return f"{self.at_least} engineers or more"
        return f"{self.at_least} to {self.below - 1} engineers"


PRODUCTS = {
    Products.ONE: "one product",
    Products.SUITE: "a suite",
    Products.SEVERAL: "several products",
}

_RULE = "The decision rule we use"
_CARVING = "When we do reach for services — and how"
_DOUBT = "The principle behind the rule"

RULES = (
    Rule(
        "services-by-team",
        Verdict.SERVICES,
        "At this size, teams that wait for each other's releases cost more than a network between "
        "them. Cut where one team ends and the next begins, never by technical layer.",
        f"{_RULE}, third size",
        at_least=LARGE,
        teams=2,
        products=frozenset({Products.SEVERAL}),
    ),
    Rule(
        "carve-one-or-two",
        Verdict.CARVED,
        "The organisation still fits one deployable. A part that must fail, scale or be built "
        "apart from the rest, or that partners build on, may leave it: one now, a second at most.",
        f"{_RULE}, second size; {_CARVING}",
        at_least=SMALL,
        reason=True,
        carve=2,
    ),
    Rule(
        "large-without-lines",
        Verdict.MODULAR,
        "Size alone does not pay for services. They need several products, and teams that can "
        "ship them without each other; without both, there is no line to cut along.",
        f"{_RULE}, third size, of which only half holds; so the second counts",
        at_least=LARGE,
    ),
    Rule(
        "modules-with-owners",
        Verdict.MODULAR,
        "There are enough people to get in each other's way, and what they build hangs together. "
        "Give each module an owner; keep one deployable while no part has a reason to leave it.",
        f"{_RULE}, second size",
        at_least=SMALL,
        below=LARGE,
        products=frozenset({Products.ONE, Products.SUITE}),
    ),
    Rule(
        "several-but-few",
        Verdict.MODULAR,
        "The article has no row for several products at this size, and decides for the monolith "
        "where in doubt. Let each product own its modules; they are where you would cut later.",
        f"{_DOUBT}, in doubt",
        at_least=SMALL,
        below=LARGE,
        products=frozenset({Products.SEVERAL}),
    ),
    Rule(
        "carve-one",
        Verdict.CARVED,
        "Even a small company may carve where one part must fail, scale or be built apart from the "
        "rest, or partners build on it. One service with a narrow contract; the rest stays whole.",
        _CARVING,
        below=SMALL,
        reason=True,
        carve=1,
    ),
    Rule(
        "small",
        Verdict.MONOLITH,
        "With fewer than about 25 engineers on one product, there is little to coordinate, and a "
        "distributed system has its full price from the first day. Cut modules by domain instead.",
        f"{_RULE}, first size; What microservices actually buy you",
        below=SMALL,
        products=frozenset({Products.ONE}),
    ),
    Rule(
        "small-in-doubt",
        Verdict.MONOLITH,
        "The article has no row for more than one product and so few engineers, and decides for "
        "the monolith where in doubt. A module for each product keeps them apart.",
        f"{_DOUBT}, in doubt",
        below=SMALL,
        products=frozenset({Products.SUITE, Products.SEVERAL}),
    ),
)


def decide(answers: Answers) -> Rule:
    """The rule that decides: the first that matches. One always does."""
    return next(rule for rule in RULES if rule.matches(answers))


def title(rule: Rule) -> str:
    """What a rule says, as a headline."""
    return {
        Verdict.MONOLITH: "A monolith",
        Verdict.MODULAR: "A modular monolith",
        Verdict.SERVICES: "Services along team lines",
        Verdict.CARVED: "A monolith and one carved service"
        if rule.carve == 1
        else "A modular monolith and one or two carved services",
    }[rule.verdict]


def as_markdown() -> str:
    """The table, as the documentation has it."""
    rows = [
        f"| `{rule.id}` | {rule.when} | **{title(rule)}** | {rule.because} | {rule.source} |"
        for rule in RULES
    ]
    head = "| rule | when | answer | because | section of the article |\n|---|---|---|---|---|\n"
    return head + "\n".join(rows) + "\n"
