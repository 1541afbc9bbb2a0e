"""The bill: all that is known of what carving a module would cost."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scaffold import git, repository
from scaffold.carving import calls, crossing, interface, moving, operations
from scaffold.carving.crossing import Crossing
from scaffold.carving.interface import Behind, Effects, Interface
from scaffold.carving.moving import Table
from scaffold.carving.sources import Sources
from scaffold.carving.types import Types
from scaffold.carving.walking import Call
from scaffold.carving.wire import Fault, Wire
from scaffold.contents import Place, read
from scaffold.deciding.metrics import Load
from scaffold.errors import ScaffoldError
from scaffold.removing import belongings, counts
from scaffold.removing.belongings import Belongings
from scaffold.removing.counts import Counts


@dataclass
class Bill:
    """What carving a module would break, change and cost.

    Attributes:
        calls: between it and other code, in both directions.
        tests: calls with a transaction, across the line, in tests.
        effects: what each method that takes a transaction does in it, by module and method.
        unused: methods that take a transaction and that nobody else calls.
        faults: what cannot cross a wire.
        caught: calls around which something is caught that the other side would not raise.
        events: that cross the line.
        jobs: that are enqueued across it.
        past: what reaches past an interface.
        needs: modules that it depends on, each with how.
        needed_by: modules that depend on it, likewise.
        requests: that metrics have counted, if they are given.
    """

    root: Path
    module: str
    interface: Interface
    calls: list[Call] = field(default_factory=list)
    tests: list[Call] = field(default_factory=list)
    effects: dict[tuple[str, str], Effects] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    caught: list[tuple[Call, str]] = field(default_factory=list)
    events: list[Crossing] = field(default_factory=list)
    jobs: list[Place] = field(default_factory=list)
    past: list[Place] = field(default_factory=list)
    needs: dict[str, str] = field(default_factory=dict)
    needed_by: dict[str, str] = field(default_factory=dict)
    has: Belongings = field(default_factory=Belongings)
    tables: list[Table] = field(default_factory=list)
    caches: list[str] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    operations: list[tuple[str, str]] = field(default_factory=list)
    load: Load | None = None

    @property
    def atomic(self) -> list[Call]:
        """Calls that lose what they share with their caller."""
        return [each for each in self.calls if each.joins and not each.alone]

    @property
    def alone(self) -> list[Call]:
        """Calls that only lose the block around them."""
        return [each for each in self.calls if each.joins and each.alone]

    @property
    def inside(self) -> list[Call]:
        """Calls without a transaction while one is open: the boundary refuses them already."""
        return [each for each in self.calls if not each.joins and each.inside and each.certain]

    @property
    def chatty(self) -> list[Call]:
        """Calls in loops."""
        return [each for each in self.calls if each.repeated]

    def told_early(self, effects: Effects) -> bool:
        """Whether others hear of something that a method tells in a transaction of its caller."""
        told = {(each.file, each.line) for each in effects.told}
        return any((at.file, at.line) in told for each in self.events for at in each.published)

    @property
    def in_a_circle(self) -> bool:
        """Whether each side would wait for the other's answers."""
        return len({each.callee == self.module for each in self.calls if each.certain}) == 2


def write(
    start: Path, name: str, load: Load | None, note: Callable[[str], None] = lambda _: None
) -> Bill:
    """Find out what carving a module would cost. Nothing is written.

    Args:
        start: a folder inside the repository.
        name: of the module.
        load: what metrics say, if they are given.
        note: is told what takes long, before it does.

    Raises:
        ScaffoldError: where the module or its interface is not there, or code cannot be read.
    """
    git.need()
    root = repository.find_root(start)
    if git.around(root) is None:
        raise ScaffoldError(f"{root} is in no git repository, which says what is code: git init it")
    modules = repository.read_modules(root)
    if name not in (there := [each.name for each in modules]):
        also = f": there are {', '.join(there)}" if there else "; there is none"
        raise ScaffoldError(f"there is no module {name!a} in {root / repository.MODULES}{also}")
    note("reading the code")
    contents = read(root)
    sources = Sources(contents)
    own = interface.read(root, sources, name)
    bill = Bill(root, name, own, load=load)
    interfaces = _interfaces(root, sources, there) | {own.dotted: own}
    found = calls.find(sources, Types(sources), interfaces, name)
    bill.calls = [each for each in found if not each.in_test]
    bill.tests = [each for each in found if each.in_test and each.joins and each.certain]
    _weigh(bill, sources, interfaces)
    has = {each: belongings.find(each, contents) for each in there}
    bill.has = has[name]
    bill.events = crossing.events(sources, name)
    bill.jobs = crossing.jobs(sources, name)
    bill.past = crossing.past_the_interface(sources, contents, name, has)
    declared = {each.name: each.depends_on for each in modules}
    bill.needs = _needs(bill, declared[name])
    bill.needed_by = _needed_by(bill, declared)
    bill.tables = moving.tables(name, contents, bill.has)
    bill.caches = moving.caches(sources, name)
    owner = next(each.owner for each in modules if each.name == name)
    bill.operations = operations.needed(name, owner, bill.has, contents)
    note("asking the database")
    bill.counts = counts.ask(root, name)
    return bill


def _interfaces(root: Path, sources: Sources, names: Sequence[str]) -> dict[str, Interface]:
    """The interfaces of all modules that have one, by full name."""
    found = {}
    for name in names:
        try:
            each = interface.read(root, sources, name)
        except ScaffoldError:  # It is not the one that is carved; nobody can call it either.
            continue
        found[each.dotted] = each
    return found


def _weigh(bill: Bill, sources: Sources, interfaces: dict[str, Interface]) -> None:
    """Look behind the interfaces: what is done in a transaction, what is raised and caught."""
    behind = {each.module: Behind(bill.root, sources, each) for each in interfaces.values()}
    for call in bill.calls:
        if call.joins and (key := (call.callee, call.method)) not in bill.effects:
            bill.effects[key] = behind[call.callee].effects(call.method)
    theirs = {each.method for each in bill.calls if each.callee == bill.module}
    bill.unused = [
        each.name
        for each in bill.interface.methods.values()
        if each.joins and each.name not in theirs
    ]
    wire = Wire(sources)
    bill.faults = [
        *wire.faults(bill.interface, bill.unused),
        *wire.errors(bill.interface, behind[bill.module]),
    ]
    bill.caught = [
        (call, name.rpartition(".")[2])
        for call in bill.calls
        for name in call.catches
        if call.callee == bill.module and wire.is_foreign(name)
    ]


def _needs(bill: Bill, declared: Sequence[str]) -> dict[str, str]:
    called = {each.callee for each in bill.calls if each.caller == bill.module and each.certain}
    hears = {each.publisher for each in bill.events if each.hearer == bill.module}
    return {name: _how(name, called, hears) for name in sorted({*declared, *called, *hears})}


def _needed_by(bill: Bill, declared: dict[str, list[str]]) -> dict[str, str]:
    callers = {each.caller for each in bill.calls if each.callee == bill.module and each.certain}
    hears = {each.hearer for each in bill.events if each.publisher == bill.module}
    says = {name for name, wanted in declared.items() if bill.module in wanted}
    return {name: _how(name, callers, hears) for name in sorted(says | callers | hears)}


def _how(name: str, called: set[str], hears: set[str]) -> str:
    told = [word for word, those in (("calls", called), ("events", hears)) if name in those]
    return " and ".join(told) or "declared only"
