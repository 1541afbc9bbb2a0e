"""What is in the way of a move, each with its cure; how much there is, and how long it may take."""

from dataclasses import dataclass

from app.platform.carving.ends import End, Ends
from app.platform.carving.looking_servers import look_at_pair, look_at_publisher, look_at_subscriber
from app.platform.carving.looking_tables import Finding, look_at_tables, sizes, TableSize

_BYTES_A_SECOND = 20_000_000
"""What a copy with its indexes does at least, on machines as small as two cores."""


@dataclass(frozen=True)
class Looked:
    """What was found."""

    findings: list[Finding]
    tables: list[TableSize]

    @property
    def bytes(self) -> int:
        """What the target needs on its disk, and as much again while it is copied, for WAL."""
        return sum(each.bytes for each in self.tables)

    @property
    def seconds(self) -> int:
        """How long the copy may take: a guess, which says hours or minutes."""
        return 5 + self.bytes // _BYTES_A_SECOND

    @property
    def is_clear(self) -> bool:
        """Whether nothing is in the way of the copy."""
        return not any(each.blocks for each in self.findings)


async def look(ends: Ends, to_own: bool, module: str) -> Looked:
    """Look at both sides; change nothing."""
    source, target = ends.toward(own=to_own)
    findings = await look_at_tables(source, module)
    findings += await look_at_publisher(source)
    findings += await look_at_subscriber(target)
    findings += await look_at_pair(source, target, module)
    findings += await _look_at_way_back(source, target)
    ordered = sorted(findings, key=lambda each: not each.blocks)
    return Looked(ordered, await sizes(source, module))


async def _look_at_way_back(source: End, target: End) -> list[Finding]:
    """Return what keeps the stream back from running, once the target takes the writes."""
    found = await look_at_publisher(target) + await look_at_subscriber(source)
    return [
        Finding(f"{each.what} (for the way back)", each.cure, blocks=False, of_way_back=each.blocks)
        for each in found
    ]
