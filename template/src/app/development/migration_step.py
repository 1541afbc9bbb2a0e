"""What a migration does, before it is written."""

from dataclasses import dataclass, field


@dataclass
class Step:
    """What one migration does."""

    beside: list[str] = field(default_factory=list)
    """Outside of a transaction, beside those who read and write. It can be done again."""
    looks: list[str] = field(default_factory=list)
    """At the beginning of a new transaction: what looks at each row while others write."""
    within: list[str] = field(default_factory=list)
    """In the same transaction, or in that of the migrations before where there is nothing else."""
    allowed: dict[str, str] = field(default_factory=dict)
    """What `make migrations` would refuse of it, by rule, and why it is safe."""
    doubts: list[str] = field(default_factory=list)
    """What a person should think of, who reads it."""

    def __bool__(self) -> bool:
        return bool(self.beside or self.looks or self.within)


@dataclass(frozen=True)
class Migration:
    """What a migration does, and what undoes it."""

    up: Step
    down: Step
