"""What is asked, and which answers cannot be true together."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from scaffold.errors import ScaffoldError


class Products(StrEnum):
    """How many products there are, and how much they hang together."""

    ONE = "one"
    SUITE = "suite"
    SEVERAL = "several"


class Pain(StrEnum):
    """What people mean when they say that it does not scale."""

    SLOW_ENDPOINT = "slow-endpoint"
    PEGGED_DATABASE = "pegged-database"
    SCARY_DEPLOY = "scary-deploy"
    TANGLED_CODE = "tangled-code"
    BLOCKED_TEAM = "blocked-team"


class Reason(StrEnum):
    """What makes one part of a system a service of its own, however small the company."""

    ISOLATION = "isolation"
    SCALING = "scaling"
    TECHNOLOGY = "technology"
    PARTNER = "partner"


@dataclass(frozen=True)
class Answers:
    """All answers. They can be true together."""

    engineers: int
    teams: int
    products: Products
    hurts: frozenset[Pain] = frozenset()
    reasons: frozenset[Reason] = frozenset()

    def __post_init__(self) -> None:
        said = {"engineers": self.engineers, "teams": self.teams, "hurts": self.hurts}
        if refusal := contradiction(said):
            raise ScaffoldError(refusal)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Answers":
        """From one value for each question, as `as_dict` returns them."""
        return cls(
            values["engineers"],
            values["teams"],
            Products(values["products"]),
            frozenset(map(Pain, values["hurts"])),
            frozenset(reason for reason in Reason if values[reason]),
        )

    def as_dict(self) -> dict[str, Any]:
        """One plain value for each question, in the order in which they are asked."""
        return {
            "engineers": self.engineers,
            "teams": self.teams,
            "products": self.products.value,
            "hurts": [pain.value for pain in Pain if pain in self.hurts],
            **{reason.value: reason in self.reasons for reason in Reason},
        }


def contradiction(values: Mapping[str, Any]) -> str:
    """One sentence on what cannot be true in the answers so far; empty where nothing is."""
    engineers, teams = values.get("engineers"), values.get("teams")
    if engineers is not None and engineers < 1:
        return f"{engineers} engineers build nothing; say how many there are in `engineers`"
    if teams is not None and teams < 1:
        return f"{teams} teams are none; in `teams`, whoever works together counts as 1"
    if engineers is not None and teams is not None and teams > engineers:
        people = f"{engineers} engineer{'s' if engineers > 1 else ''}"
        return f"{people} cannot fill {teams} teams; correct `engineers` or `teams`"
    if teams == 1 and Pain.BLOCKED_TEAM in values.get("hurts", ()):
        return "one team has no other to block it; correct `teams`, or leave blocked-team out"
    return ""
