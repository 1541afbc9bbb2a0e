"""Parameters, variables and attributes that are called after a module follow.

Only where what they hold says that they mean the module: `billing: Billing`. What cannot be
followed to every use stays as it is, everywhere.
"""

from collections import defaultdict
from collections.abc import Iterable

import libcst as cst

from scaffold.renaming.facts import Facts
from scaffold.renaming.fixtures import Fixtures, is_given
from scaffold.renaming.python import PythonFile, last_name, parameters
from scaffold.renaming.references import mentions_kind, rename_all


class Variables:
    """What is called after the module in all files that may know it.

    Args:
        files: that have the module's name in them.
        facts: of the module.
        kinds: its classes, by every dotted name.
    """

    def __init__(self, files: Iterable[PythonFile], facts: Facts, kinds: dict[str, str]) -> None:
        self._files, self._facts, self._kinds = list(files), facts, kinds
        self._old, self._new = facts.old, facts.new

    def follow(self) -> None:
        """Let them follow."""
        fixtures = Fixtures(self._files, self._facts, self._kinds).follow()
        chosen = self._functions(fixtures)
        self._keywords(chosen)
        self._attributes(chosen)
        for file, function in chosen:
            self._rename_in(file, function)

    # Parameters and local variables.

    def _functions(
        self, fixtures: dict[cst.FunctionDef, bool]
    ) -> list[tuple[PythonFile, cst.FunctionDef]]:
        """The functions in which the name is one for the module."""
        chosen = []
        for file in self._files:
            for function in file.functions:
                asks = [x for x in parameters(function) if x.name.value == self._old]
                if function in fixtures:
                    follows = fixtures[function]
                elif asks and is_given(function):
                    follows = False  # Who gives it is not known.
                else:
                    follows = any(self._is_ours(file, x.annotation) for x in asks)
                    follows = follows or (not asks and self._is_variable(file, function))
                    follows = follows and self._new not in file.names_in(function)
                    follows = follows and not _reaches_out(file, function, self._old)
                if follows:
                    chosen.append((file, function))
        return chosen

    def _is_ours(self, file: PythonFile, node: cst.CSTNode | None) -> bool:
        return mentions_kind(file, self._kinds, node)

    def _is_variable(self, file: PythonFile, function: cst.FunctionDef) -> bool:
        """Whether a function sets a variable of that name to something of the module."""
        scope = file.source.scopes.get(function.body)
        for node in file.below(function.body):
            targets: list[cst.BaseExpression] = []
            said: list[cst.CSTNode | None] = []
            if isinstance(node, cst.AnnAssign):
                targets, said = [node.target], [node.annotation, node.value]
            elif isinstance(node, cst.Assign):
                targets, said = [each.target for each in node.targets], [node.value]
            for target in targets:
                if (
                    isinstance(target, cst.Name)
                    and target.value == self._old
                    and file.source.scopes.get(target) is scope
                    and any(self._is_ours(file, x) for x in said)
                ):
                    return True
        return False

    def _rename_in(self, file: PythonFile, function: cst.FunctionDef) -> None:
        scope = file.source.scopes.get(function.body)
        if scope is None:
            return
        for assignment in scope[self._old]:
            if assignment.scope is not scope:
                continue
            bound = getattr(assignment, "node", None)
            if isinstance(bound, cst.Param):
                file.replace(bound.name, self._new)
            elif isinstance(bound, cst.Name):
                file.replace(bound, self._new)
            else:
                continue
            rename_all(file, (x.node for x in assignment.references), self._old, self._new)

    def _keywords(self, chosen: list[tuple[PythonFile, cst.FunctionDef]]) -> None:
        """Let calls that name the parameter follow; leave the parameter where that is uncertain."""
        picked = {function for _, function in chosen}
        follow: set[str] = set()
        stay: set[str] = set()
        for file in self._files:
            for function in file.functions:
                if is_given(function):
                    continue  # Nobody calls them.
                if any(param.name.value == self._old for param in parameters(function)):
                    (follow if function in picked else stay).add(_called(file, function))
        calls: dict[str, list[tuple[PythonFile, cst.Arg]]] = defaultdict(list)
        for file in self._files:
            for node in file.parents:
                if not isinstance(node, cst.Arg) or node.keyword is None:
                    continue
                if node.keyword.value != self._old:
                    continue
                call = file.parents[node]
                assert isinstance(call, cst.Call | cst.ClassDef)
                given = [arg.value for arg in _given(call)]
                for name in {_known(file, each) for each in (call, *given)}:
                    calls[name].append((file, node))
        unsure = {name for name in follow & stay if calls[name]}
        chosen[:] = [each for each in chosen if _called(*each) not in unsure]
        for name in follow - unsure:
            for file, arg in calls[name]:
                assert arg.keyword is not None
                file.replace(arg.keyword, self._new)

    # Attributes: `self._billing = billing`.

    def _attributes(self, chosen: list[tuple[PythonFile, cst.FunctionDef]]) -> None:
        picked = {function for _, function in chosen}
        for name in (f"_{self._old}", self._old):
            new = name.replace(self._old, self._new)
            own: list[tuple[PythonFile, cst.Attribute]] = []
            is_sure = True
            for file in self._files:
                for cls, nodes in self._by_class(file, name).items():
                    sets = any(self._is_set(file, node, picked) for node in nodes)
                    is_sure = is_sure and cls is not None and sets and not _has(file, cls, new)
                    own += [(file, node) for node in nodes]
            for file, node in own if is_sure else ():
                file.replace(node.attr, new)

    def _by_class(
        self, file: PythonFile, name: str
    ) -> dict[cst.ClassDef | None, list[cst.Attribute]]:
        """Where an attribute is spoken of, by the class whose `self` has it; of others, by none."""
        found: dict[cst.ClassDef | None, list[cst.Attribute]] = defaultdict(list)
        for node in file.parents:
            if not isinstance(node, cst.Attribute) or node.attr.value != name:
                continue
            if node not in file.full and node.attr not in file.taken:
                found[_class_of_self(file, node)].append(node)
        return found

    def _is_set(self, file: PythonFile, node: cst.Attribute, picked: set[cst.FunctionDef]) -> bool:
        above = file.parents[node]
        value: cst.CSTNode | None = None
        if isinstance(above, cst.AssignTarget):
            statement = file.parents[above]
            value = statement.value if isinstance(statement, cst.Assign) else None
        elif isinstance(above, cst.AnnAssign) and above.target is node:
            if self._is_ours(file, above.annotation):
                return True
            value = above.value
        if isinstance(value, cst.Name) and value.value == self._old:
            return file.above(node, cst.FunctionDef) in picked
        return self._is_ours(file, value)


def _has(file: PythonFile, cls: cst.ClassDef, name: str) -> bool:
    return any(isinstance(each, cst.Name) and each.value == name for each in file.below(cls))


def _reaches_out(file: PythonFile, function: cst.FunctionDef, name: str) -> bool:
    """Whether a variable is set from the inside of another function."""
    return any(
        isinstance(node, cst.NameItem) and node.name.value == name for node in file.below(function)
    )


def _known(file: PythonFile, node: cst.CSTNode) -> str:
    """How something of the repository is called; nothing where it is a library's, for sure."""
    if isinstance(node, cst.Call):
        node = node.func
    full, name = file.full.get(node), last_name(node)
    if full is not None:
        return name if full.split(".")[0] in ("app", "tests", file.name.split(".")[0]) else ""
    if isinstance(node, cst.Name):
        return name if any(each.name.value == name for each in file.functions) else ""
    return name


def _called(file: PythonFile, function: cst.FunctionDef) -> str:
    """By which name a function is called; a class for its `__init__`."""
    if function.name.value == "__init__":
        cls = file.above(function, cst.ClassDef)
        if isinstance(cls, cst.ClassDef):
            return cls.name.value
    return function.name.value


def _given(call: cst.Call | cst.ClassDef) -> Iterable[cst.Arg]:
    return [arg for arg in getattr(call, "args", ()) if arg.keyword is None]


def _class_of_self(file: PythonFile, node: cst.Attribute) -> cst.ClassDef | None:
    """The class whose `self` an attribute is of."""
    function = file.above(node, cst.FunctionDef)
    while isinstance(function, cst.FunctionDef):
        cls = file.above(function, cst.ClassDef, cst.FunctionDef)
        if isinstance(cls, cst.ClassDef):
            first = next(iter(parameters(function)), None)
            is_self = isinstance(node.value, cst.Name) and first is not None
            return cls if is_self and first and node.value.value == first.name.value else None  # type: ignore[attr-defined]
        function = cls
    return None
