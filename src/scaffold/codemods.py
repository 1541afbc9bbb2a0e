"""One Python file follows what moved: its imports, and the uses of what they bind.

An import is rewritten where it stands; its local name stays wherever another would not be certain.
What cannot be changed safely is listed by line, and left as it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import libcst as cst
from libcst.metadata import ImportAssignment, MetadataWrapper

from scaffold import codemod_texts
from scaffold.changes import Changes, Fate
from scaffold.codemod_edits import Edits, NewImport, expression
from scaffold.codemod_names import Source, Use, aliases, dotted_name


@dataclass
class Rewritten:
    """What became of a file.

    Attributes:
        content: of the file now.
        done: what it follows, in words.
        to_do: what is left to people, by line of the content as it was.
    """

    content: bytes
    done: list[str] = field(default_factory=list)
    to_do: list[tuple[int, str]] = field(default_factory=list)


def rewrite(content: bytes, name: str, changes: Changes, used: Iterable[str] = ()) -> Rewritten:
    """Rewrite a file.

    Args:
        content: of the file.
        name: of the module that it is; a package's ends in `.__init__`.
        changes: what it is to follow.
        used: dotted names that other files take from somewhere: what they take from here stays.

    Raises:
        ValueError: where it is no Python.
    """
    try:
        wrapper = MetadataWrapper(cst.parse_module(content))
    except (cst.ParserSyntaxError, SyntaxError, LookupError) as error:
        raise ValueError(str(error)) from None
    done = _File(Source(wrapper, name), changes, frozenset(used)).rewritten()
    if done.content != content and _compiles(content) and not _compiles(done.content):
        raise ValueError("what would come of it is no Python")
    return done


def _compiles(content: bytes) -> bool:
    """Whether the Python that runs here takes a file; a newer one may take more."""
    try:
        compile(content, "file", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


class _File:
    def __init__(self, source: Source, changes: Changes, used: frozenset[str]) -> None:
        self.source, self.changes, self.used = source, changes, used
        self.edits = Edits(source.parents)
        self.done: list[str] = []
        self.to_do: list[tuple[int, str]] = []
        self.exported = codemod_texts.exported(source.parents)
        self.texts = codemod_texts.texts(source.parents)

    def rewritten(self) -> Rewritten:
        for statement in self.source.statements:
            self._statement(statement)
        source = self.source
        self.to_do += codemod_texts.mentions(source.parents, source.positions, self.changes)
        self._members()
        module = source.module.visit(self.edits) if self.edits else source.module
        return Rewritten(module.bytes, list(dict.fromkeys(self.done)), sorted(set(self.to_do)))

    # What becomes of an import.

    def _statement(self, statement: cst.Import | cst.ImportFrom) -> None:
        if isinstance(statement, cst.ImportFrom) and isinstance(statement.names, cst.ImportStar):
            origin = self.source.origin(statement)
            fate = self.changes.fate(origin)
            if fate.first or fate.ended or self.changes.is_left(origin):
                self._list(statement, f"imports all of {origin}, and some of it has moved")
            return
        for alias in aliases(statement):
            if isinstance(statement, cst.Import):
                self._whole_import(statement, alias)
            else:
                self._from_import(statement, alias)

    def _from_import(self, statement: cst.ImportFrom, alias: cst.ImportAlias) -> None:
        local, full = self.source.names(statement, alias)
        if not full or not self._concerns(full):
            return
        fate = self.changes.fate(full)
        uses = self.source.uses(statement, alias)
        if self._is_over(fate, statement):
            return
        if fate.first and fate.name.rpartition(".")[0] == self.source.name:
            self._list(statement, f"{self.changes.sentence(fate)}, which is this file")
            return
        self._tell_changed(fate, uses, statement)
        own, has_left = self._let_go(statement, uses, full, fate)
        moved = fate.first is not None
        new = local
        if moved:
            self.done.append(self.changes.sentence(fate, "->"))
            new = self._new_local(statement, alias, local, fate, own)
            if new != local:
                self._follow(own, local, new)
        if has_left and not own and not self._is_taken(local):
            self.edits.drop(statement, alias)
        elif moved:
            module, _, name = fate.name.rpartition(".")
            self.edits.replace_import(statement, alias, NewImport(module, name, new))

    def _whole_import(self, statement: cst.Import, alias: cst.ImportAlias) -> None:
        dotted = dotted_name(alias.name)
        if alias.asname:
            self._import_as(statement, alias, dotted)
            return
        if not self._concerns(dotted):
            return
        fate = self.changes.fate(dotted)
        if self._is_over(fate, statement):
            return
        uses = self.source.uses(statement, alias)
        self._tell_changed(fate, uses, statement)
        left = False
        rewritten = []
        for use in uses:
            after = self._judge(use)
            if after is None or not (after.first and use.is_certain and not use.is_text):
                if after is not None and after.first:
                    self._list(use.node, self.changes.sentence(after))
                left = (
                    left or use.full == dotted or use.full.startswith(f"{dotted}.") or use.is_text
                )
                continue
            module = after.module or after.name
            self._replace(use, after.name, module, module)
            self.edits.add(statement, NewImport(module))
            self.done.append(self.changes.sentence(after, "->"))
            rewritten.append(use)
        if fate.first:
            self.done.append(self.changes.sentence(fate, "->"))
            if not left:
                self.edits.replace_import(statement, alias, NewImport(fate.name))
                return
            self._list(statement, self.changes.sentence(fate))
        elif rewritten and not left and any(u.full.startswith(dotted) for u in rewritten):
            self.edits.drop(statement, alias)

    def _import_as(self, statement: cst.Import, alias: cst.ImportAlias, full: str) -> None:
        if not self._concerns(full):
            return
        fate = self.changes.fate(full)
        if self._is_over(fate, statement):
            return
        uses = self.source.uses(statement, alias)
        self._tell_changed(fate, uses, statement)
        own, has_left = self._let_go(statement, uses, full, fate)
        local, _ = self.source.names(statement, alias)
        if has_left and not own and not self._is_taken(local):
            self.edits.drop(statement, alias)
        elif fate.first:
            self.done.append(self.changes.sentence(fate, "->"))
            self.edits.replace_import(statement, alias, NewImport(fate.name, local=local))

    def _concerns(self, full: str) -> bool:
        fate = self.changes.fate(full)
        return bool(fate.first or fate.ended or fate.changed or self.changes.is_left(full))

    def _is_over(self, fate: Fate, statement: cst.CSTNode) -> bool:
        if fate.ended:
            self._list(statement, str(fate.ended))
        return fate.ended is not None

    def _tell_changed(self, fate: Fate, uses: list[Use], statement: cst.CSTNode) -> None:
        for change in fate.changed:
            nodes: list[cst.CSTNode] = [use.node for use in uses]
            for node in nodes or [statement]:
                self._list(node, str(change))

    def _judge(self, use: Use) -> Fate | None:
        """What became of a use as a whole; told where it is over, changed, or cannot be seen."""
        after = self.changes.fate(use.full)
        if use.is_text:
            return after
        if after.ended:
            self._list(use.node, str(after.ended))
            return None
        for change in after.changed:
            self._list(use.node, str(change))
        if after.first is None and self.changes.is_left(use.full):
            self._as_value(use)
        return after

    def _as_value(self, use: Use) -> None:
        """A module that something has left is handed on: only a name in quotes tells which."""
        outer = use.chain[-1] if use.chain else use.node
        arg = self.source.parents.get(outer)
        call = self.source.parents.get(arg) if isinstance(arg, cst.Arg) else None
        if isinstance(call, cst.Call):
            behind = call.args[list(call.args).index(arg) + 1 :]  # type: ignore[arg-type]
            if behind and isinstance(behind[0].value, cst.SimpleString):
                name = f"{use.full}.{behind[0].value.raw_value}"
                after = self.changes.fate(name)
                if after.first or after.ended:
                    self._list(use.node, self.changes.sentence(after))
                return
        self._list(use.node, f"uses {use.full} as a value, and some of it has moved; see to it")

    def _let_go(
        self, statement: cst.Import | cst.ImportFrom, uses: list[Use], full: str, fate: Fate
    ) -> tuple[list[Use], bool]:
        """Import for what has gone elsewhere than the import goes, and read it from there.

        Returns the uses that are left, and whether there were others.
        """
        own: list[Use] = []
        for use in uses:
            if use.is_text:
                if self._let_go_of_text(statement, use, full, fate):
                    own.append(use)
                continue
            after = self._judge(use)
            if after is None or after.name == fate.name + use.full.removeprefix(full):
                own.append(use)
            elif not use.is_certain:
                own.append(use)
                what = f"{self.changes.sentence(after)}; the name is bound again here"
                self._list(use.node, what)
            else:
                module = after.module or after.name
                self._replace(use, after.name, module, self._import(statement, after))
        return own, len(own) < len(uses)

    def _let_go_of_text(
        self, statement: cst.Import | cst.ImportFrom, use: Use, full: str, fate: Fate
    ) -> bool:
        """The same in an annotation in quotes; returns whether the import's name is left in it."""
        for behind in codemod_texts.attributes(use.node, use.local):
            after = self.changes.fate(full + behind)
            if not after.ended and after.name == fate.name + behind:
                continue
            text = self.edits.current(use.node)
            if after.ended or not use.is_certain or not isinstance(text, cst.SimpleString):
                self._list(use.node, self.changes.sentence(after))
                continue
            new = self._import(statement, after) + after.name.removeprefix(after.module)
            self.edits.replace(use.node, codemod_texts.renamed(text, use.local + behind, new))
        return codemod_texts.names(self.edits.current(use.node), use.local)

    def _import(self, statement: cst.Import | cst.ImportFrom, fate: Fate) -> str:
        """Import the module where something went; returns its name here."""
        module = fate.module or fate.name
        above, _, last = module.rpartition(".")
        local = self._free(module)
        self.edits.add(statement, NewImport(above, last, local))
        self.done.append(self.changes.sentence(fate, "->"))
        return local

    def _new_local(
        self,
        statement: cst.ImportFrom,
        alias: cst.ImportAlias,
        local: str,
        fate: Fate,
        own: list[Use],
    ) -> str:
        """The name under which what moved is known from here on."""
        wanted = fate.name.rpartition(".")[2]
        if alias.asname or wanted == local:
            return local
        scope = self.source.scopes.get(alias)
        alone = scope is not None and all(
            isinstance(each, ImportAssignment) and each.node is statement for each in scope[local]
        )
        keeps = (
            self.source.bound.get(wanted, fate.name) != fate.name
            or not alone
            or self.source.is_package
            or self.source.name in self.used
            or self._is_taken(local)
            or local in self.texts
            or not all(use.is_certain for use in own)
            or any(isinstance(use.node, cst.ConcatenatedString) for use in own)
        )
        if keeps:
            return local
        self.source.bound[wanted] = fate.name
        return wanted

    def _is_taken(self, local: str) -> bool:
        """Whether others take a name from here."""
        return local in self.exported or f"{self.source.name}.{local}" in self.used

    def _follow(self, uses: list[Use], local: str, new: str) -> None:
        for use in uses:
            if isinstance(use.node, cst.Name):
                self.edits.replace(use.node, use.node.with_changes(value=new))
            elif isinstance(use.node, cst.SimpleString):
                before = self.edits.current(use.node)
                assert isinstance(before, cst.SimpleString)
                self.edits.replace(use.node, codemod_texts.renamed(before, local, new))

    def _free(self, module: str) -> str:
        parts = module.split(".")
        names = ["_".join(parts[-n:]) for n in range(1, len(parts) + 1)]
        for name in [*names, *(f"{names[-1]}_{n}" for n in range(2, 1000))]:
            if self.source.bound.setdefault(name, module) == module:
                return name
        raise AssertionError(module)

    def _replace(self, use: Use, new: str, module: str, local: str) -> None:
        """Read a use from another place, and touch no more of it than has changed."""
        nodes = [use.node, *use.chain]
        names = use.full.split(".")
        rest = new.removeprefix(module).strip(".").split(".") if new != module else []
        same = 0
        while same < min(len(rest), len(nodes) - 1) and rest[-1 - same] == names[-1 - same]:
            same += 1
        head = ".".join([local, *rest[: len(rest) - same]])
        node = nodes[len(nodes) - 1 - same]
        self.edits.replace(node, expression(head, node))

    # What only people can see to.

    def _members(self) -> None:
        """List what may be a changed member of a class that the file knows."""
        for change in self.changes.members:
            owner, _, member = change.place.dotted.rpartition(".")
            names = {owner, self.changes.fate(owner).name}
            known = any(
                full in names
                or any(use.full in names for use in self.source.uses(statement, alias))
                for statement in self.source.statements
                for alias in aliases(statement)
                for full in [self.source.names(statement, alias)[1]]
            )
            if not known:
                continue
            for node in self.source.parents:
                is_read = isinstance(node, cst.Attribute) and node.attr.value == member
                is_made = isinstance(node, cst.FunctionDef) and node.name.value == member
                if is_read or (is_made and isinstance(self._class_of(node), cst.ClassDef)):
                    self._list(node, f"if this is {change.place}: {change}")

    def _class_of(self, node: cst.CSTNode) -> cst.CSTNode | None:
        block = self.source.parents.get(node)
        return self.source.parents.get(block) if block is not None else None

    def _list(self, node: cst.CSTNode, what: str) -> None:
        self.to_do.append((self.source.line(node), what))
