"""`python -m checks.renaming MODULE [--json]` names what would fail in the release before, if a module was
renamed.

It runs on under the old name, on views (docs/moving.md): they carry what reads and writes rows. Exits with 1
where a statement does something else, or a name in a string would be left behind.
"""

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from postgast import parse, PgQueryError

from checks.names import Names
from checks.scripts import all_of
from checks.source import MODULES, ROOT
from checks.texts import HOLE, Texts

_PARAMETER = re.compile(r"(?<![:\w\\]):\w+(?!:)")
_SYSTEM_COLUMNS = {"cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"}
_COPY = {"copy_from_query", "copy_records", "copy_records_to_table", "copy_to_table"}
_OF_SEQUENCES = {"currval", "nextval", "setval", "pg_get_serial_sequence"}
_LASTS = {"body", "enum", "range", "role"}
"""What a migration makes that stays; statements that it sent are over."""
_WHY = {
    "copy": "COPY writes into no view. Use INSERT for as long as two releases run.",
    "constraint": "a view has no constraints: name the columns, ON CONFLICT (…).",
    "system column": "a view has no {0}. Take a column of your own.",
    "group": "GROUP BY the key alone does not hold in a view: name each column that is selected.",
    "truncate": "a view cannot be truncated. Use DELETE.",
    "sequence": "{0} names a sequence of the old schema, which has a new one. Take `GENERATED … AS IDENTITY`.",
    "function": "{0} is called by its schema, which will be another. Call it in Python, or inline it.",
    "body": "the body of a function is a string, in which the old name stays: write BEGIN ATOMIC … END, or a "
    "migration that makes it anew under the new name before the rename is finished.",
    "enum": "the release before cannot compare values of the enum {0}, except with IN: stop it during the "
    "deployment, or compare with IN.",
    "range": "the release before finds no type {0}: it stands in the new schema.",
    "role": "{0} is bound to the old roles: make it anew in a migration, for the new ones.",
}


class Refused(NamedTuple):
    """What a view does not carry, and where it stands."""

    file: str
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


def refused_in(module: str) -> list[Refused]:
    """Find what the views that stand in for a module's tables do not carry."""
    found: set[Refused] = set()
    for file in (MODULES / module).rglob("*.py"):
        room = file.relative_to(MODULES / module).parts[0]
        if room == "tests":
            continue
        path = file.relative_to(ROOT).as_posix()
        for line, kind, name in _File(file, module, is_migration=room == "migrations").find():
            found.add(Refused(path, line, kind, _WHY[kind].format(name)))
    return sorted(found)


class _File:
    def __init__(self, file: Path, module: str, *, is_migration: bool) -> None:
        tree = ast.parse(file.read_bytes())
        names = Names(tree, f"app.modules.{module}")
        self._texts, self._nodes = Texts(names), names.nodes
        self._module, self._is_migration = module, is_migration

    def find(self) -> Iterator[tuple[int, str, str]]:
        """Yield lines, kinds and names."""
        parts: set[ast.AST] = set()
        for node in self._nodes:
            if isinstance(node, ast.Call):
                yield from ((node.lineno, *each) for each in self._call(node))
            if node in parts or not isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp):
                continue
            parts.update(ast.walk(node))  # What is read as one text is not read again in parts.
            if (text := self._texts.read(node)) is not None and " " in text.strip():
                for kind, name in {*_read(text, self._module)}:
                    if self._is_migration == (kind in _LASTS):
                        yield node.lineno, kind, name

    def _call(self, call: ast.Call) -> Iterator[tuple[str, str]]:
        name = str(getattr(call.func, "attr", getattr(call.func, "id", "")))
        given = {each.arg: each.value for each in call.keywords}
        if self._is_migration:
            native = given.get("native_enum", ast.Constant(value=True))
            if name in ("Enum", "ENUM") and getattr(native, "value", True):
                yield "enum", ast.unparse(given.get("name", call))
            return
        first = self._texts.read(call.args[0]) if call.args else None
        if name in _COPY:
            yield "copy", ""
        elif name.startswith("on_conflict_do") and "constraint" in given:
            yield "constraint", ""
        elif name in ("column", "literal_column", "text") and first in _SYSTEM_COLUMNS:
            yield "system column", str(first)
        elif name == "Sequence" and first:
            yield "sequence", first
        elif name == "group_by" and self._is_by_key(call):
            yield "group", ""

    def _is_by_key(self, call: ast.Call) -> bool:
        """Say whether `select(…).group_by(…)` selects a column that it does not group by."""
        grouped = {ast.unparse(each) for each in call.args}
        node: ast.expr = call.func
        while isinstance(node, ast.Attribute | ast.Call):
            is_select = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "select"
            if is_select and isinstance(node, ast.Call):
                plain = [each for each in node.args if isinstance(each, ast.Attribute | ast.Name)]
                return any(ast.unparse(each) not in grouped for each in plain)
            node = node.value if isinstance(node, ast.Attribute) else node.func
        return False


def _read(sql: str, module: str) -> Iterator[tuple[str, str]]:
    """Yield what a text does that a view does not carry, where it is SQL."""
    try:
        tree = parse(_PARAMETER.sub("$1", sql).replace("\\:", ":"))
    except (PgQueryError, ValueError):
        return
    for node in all_of(tree):
        kind = node.DESCRIPTOR.name
        if kind == "CopyStmt":
            yield "copy", ""
        elif kind == "TruncateStmt":
            yield "truncate", ""
        elif kind == "InferClause" and node.conname:
            yield "constraint", ""
        elif (
            kind == "ColumnRef" and (words := _words(node.fields)) and words[-1] in _SYSTEM_COLUMNS
        ):
            yield "system column", words[-1]
        elif kind == "FuncCall":
            yield from _called(node, module)
        elif kind == "SelectStmt" and node.group_clause:
            targets = [each.res_target.val for each in node.target_list]
            plain = [each.column_ref for each in targets if each.HasField("column_ref")]
            if all(each.HasField("column_ref") for each in node.group_clause) and any(
                _plain(each.fields) not in map(_plain_of, node.group_clause) for each in plain
            ):
                yield "group", ""
        elif kind == "CreateEnumStmt":
            yield "enum", ".".join(_words(node.type_name))
        elif kind == "CreateRangeStmt":
            yield "range", ".".join(_words(node.type_name))
        elif kind == "CreateFunctionStmt" and any(e.def_elem.defname == "as" for e in node.options):
            yield "body", ""
        elif kind in ("AlterRoleSetStmt", "AlterRoleStmt", "CreatePolicyStmt"):
            roles = [each.role_spec.rolename for each in getattr(node, "roles", ())]
            if kind != "CreatePolicyStmt" or any(roles):
                yield "role", "A policy" if kind == "CreatePolicyStmt" else "A setting of a role"


def _called(node: Any, module: str) -> Iterator[tuple[str, str]]:
    words = _words(node.funcname)
    texts = [each.a_const.sval.sval for each in node.args if each.HasField("a_const")]
    if words[-1] in _OF_SEQUENCES and (HOLE in "".join(texts) or f"{module}." in "".join(texts)):
        yield "sequence", words[-1]
    elif len(words) > 1 and words[0] == module:
        yield "function", ".".join(words)


def _plain_of(node: Any) -> str:
    return _plain(node.column_ref.fields)


def _plain(fields: Any) -> str:
    """Return a column's name; `*` for all of them."""
    return (_words(fields) or ["*"])[-1]


def _words(nodes: Any) -> list[str]:
    return [each.string.sval for each in nodes if each.HasField("string")]


def main() -> None:
    """Print what is refused, and exit with 1 if anything is."""
    parser = argparse.ArgumentParser(prog="python -m checks.renaming", description=__doc__)
    parser.add_argument("module")
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    given = parser.parse_args()
    if not (MODULES / given.module).is_dir():
        raise SystemExit(f"there is no module {given.module}")
    refused = refused_in(given.module)
    if given.json:
        print(json.dumps([each._asdict() for each in refused], indent=2))
    else:
        print(*refused, sep="\n", end="\n" if refused else "")
    sys.exit(bool(refused))


if __name__ == "__main__":
    main()
