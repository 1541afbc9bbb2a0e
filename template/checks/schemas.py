"""The schemas that tables, foreign keys and migrations name in Python."""

import ast
from collections.abc import Iterator

from checks.findings import Finding
from checks.names import Names
from checks.texts import HOLE, Texts

_SCHEMAS = {
    "packagenames",
    "referent_schema",
    "schema",
    "schema_name",
    "source_schema",
    "table_schema",
}
_POSITION_OF_SCHEMA = {"MetaData": 0, "Sequence": 8, "to_metadata": 1}
_OPERATIONS_WITHOUT_SCHEMA = {
    "bulk_insert",
    "execute",
    "f",
    "get_bind",
    "get_context",
    "inline_literal",
    "invoke",
    "run_async",
}
_UNPACK_NOTHING = {"Enum", "Sequence", "Table", "table", "to_metadata"}
"""They take a schema, which `**options` would hide."""
_BASES = {"sqlalchemy.orm.DeclarativeBase", "sqlalchemy.orm.DeclarativeBaseNoMeta"}
_NEED_METADATA = ("sqlalchemy.orm.declarative_base", "sqlalchemy.orm.registry")
OF_LIBRARY = ("sqlalchemy.", "alembic.")


class Schemas:
    """Finds them in one file."""

    def __init__(self, names: Names, texts: Texts) -> None:
        self._names = names
        self._texts = texts
        imported = {each.name.partition(".")[0] for each in names.imports}
        self.speaks_sql = not imported.isdisjoint({"alembic", "sqlalchemy"})
        self._strict_dicts: set[int] = set()

    def find(self, node: ast.AST) -> Iterator[Finding]:
        """Find what one node names. Classes come before what is in them."""
        match node:
            case ast.Call():
                yield from self._call(node)
            case ast.ClassDef():
                yield from self._class(node)
            case ast.Dict():
                yield from self._dict(node)
            case ast.Assign():
                yield from self._assigned(node)

    def _call(self, call: ast.Call) -> Iterator[Finding]:
        call = self._names.unwrapped(call)
        name = self._names.called(call.func) or str(getattr(call.func, "attr", ""))
        last = name.rpartition(".")[2]
        if self.speaks_sql and (name == "type" or last == "to_metadata"):
            name = f"sqlalchemy.{last}"  # It makes a table of another.
        given = {keyword.arg or "": keyword.value for keyword in call.keywords}
        position = _POSITION_OF_SCHEMA.get(last, -1) if name.startswith(OF_LIBRARY) else -1
        if 0 <= position < len(call.args):
            given["schema"] = call.args[position]
        if last == "ForeignKey" and (call.args or "column" in given):
            yield from self._foreign_key(call.args[0] if call.args else given["column"])
        elif last == "ForeignKeyConstraint":
            columns = call.args[1] if len(call.args) > 1 else given.get("refcolumns")
            yield from self._foreign_keys(columns or call)
        elif last in _UNPACK_NOTHING and name.startswith("sqlalchemy.") and "" in given:
            yield Finding(call.lineno, "unread", ast.unparse(call))
        elif name.startswith(_NEED_METADATA) and "metadata" not in given:
            yield Finding(call.lineno, "no schema", last)
        match call:
            case ast.Call(func=ast.Name("setattr"), args=[_, ast.Constant("schema"), value]):
                yield from self._schema(value, "", is_sure=False)
        if name.startswith("sqlalchemy.") and last in ("CreateSchema", "DropSchema"):
            yield Finding(call.lineno, "beyond", last)
        if "schema_translate_map" in given:
            yield Finding(call.lineno, "setting", "schema_translate_map")
        if given.keys() & {"autoload_with", "referred_schema_fn"} or (
            last == "reflect" and self.speaks_sql
        ):
            yield Finding(call.lineno, "unread", ast.unparse(call))
        yield from self._keywords(call, name, given)

    def _keywords(self, call: ast.Call, name: str, given: dict[str, ast.expr]) -> Iterator[Finding]:
        needed, is_library = _schemas_needed(name), name.startswith(OF_LIBRARY)
        for keyword in _SCHEMAS & given.keys() | needed:
            values = given.get(keyword)
            several = values.elts if isinstance(values, ast.List | ast.Tuple) else [values]
            for value in several:
                if value is None or (isinstance(value, ast.Constant) and value.value is None):
                    if keyword in needed:
                        yield Finding(call.lineno, "no schema", name)
                else:
                    yield from self._schema(value, name, is_sure=is_library)

    def _class(self, node: ast.ClassDef) -> Iterator[Finding]:
        assigned = {
            target.id: each.value
            for each in node.body
            if isinstance(each, ast.Assign | ast.AnnAssign)
            for target in (each.targets if isinstance(each, ast.Assign) else [each.target])
            if isinstance(target, ast.Name)
        }
        if _BASES & {self._names.full(base) for base in node.bases} and "metadata" not in assigned:
            yield Finding(node.lineno, "no schema", f"class {node.name}")
        options: list[ast.AST] = [assigned.get("__table_args__") or ast.Pass()]
        options += [each for each in node.body if getattr(each, "name", "") == "__table_args__"]
        for each in options:
            self._strict_dicts |= {id(part) for part in ast.walk(each)}

    def _dict(self, node: ast.Dict) -> Iterator[Finding]:
        is_sure = id(node) in self._strict_dicts
        for key, value in zip(node.keys, node.values, strict=True):
            said = key and self._texts.read(key)
            if said == "schema":
                yield from self._schema(value, "__table_args__", is_sure=is_sure)
            elif said == "schema_translate_map":
                yield Finding(node.lineno, "setting", said)

    def _assigned(self, node: ast.Assign) -> Iterator[Finding]:
        if any(isinstance(each, ast.Attribute) and each.attr == "schema" for each in node.targets):
            yield from self._schema(node.value, "", is_sure=False)

    def _schema(self, value: ast.expr, name: str, *, is_sure: bool) -> Iterator[Finding]:
        schema = self._texts.read(value)
        if schema is not None and HOLE not in schema:
            if is_sure or self.speaks_sql:
                yield Finding(value.lineno, "schema" if is_sure else "mention", schema)
        elif is_sure:
            imported = self._names.full(value) or ""
            yield (
                Finding(value.lineno, "imported schema", imported)
                if imported.startswith("app.modules.")
                else Finding(value.lineno, "unread", f"{name}(schema={ast.unparse(value)})")
            )

    def _foreign_keys(self, node: ast.expr) -> Iterator[Finding]:
        bound = self._names.scopes.bindings(node)
        if len(bound) == 1 and bound[0].value is not None:
            node = bound[0].value
        if isinstance(node, ast.List | ast.Tuple):
            for column in node.elts:
                yield from self._foreign_key(column)
        else:
            yield Finding(node.lineno, "unread", ast.unparse(node))

    def _foreign_key(self, node: ast.expr) -> Iterator[Finding]:
        text = self._texts.read(node)
        if text is None:
            if not self._is_a_column(node):
                imported = self._names.full(node) or ""
                yield (
                    Finding(node.lineno, "imported", imported)
                    if imported.startswith("app.modules.")
                    else Finding(node.lineno, "unread", ast.unparse(node))
                )
            return
        parts = text.split(".")
        if HOLE in text:
            yield Finding(node.lineno, "unread", ast.unparse(node))
        elif len(parts) > 2:  # schema.table.column
            yield Finding(node.lineno, "foreign key", parts[-3])

    def _is_a_column(self, node: ast.expr) -> bool:
        """Say whether this is a column of a table in Python: `Base.id`, `table.c["id"]`, `lambda: …`."""
        if isinstance(node, ast.Lambda):
            return self._is_a_column(node.body)
        if isinstance(node, ast.Subscript):
            return isinstance(node.value, ast.Attribute)
        return isinstance(node, ast.Attribute) or self._texts.is_an_object(node)


def _schemas_needed(name: str) -> set[str]:
    """Return the keywords without which a call would reach into another schema."""
    origin, _, last = name.rpartition(".")
    if origin == "alembic.op" and last not in _OPERATIONS_WITHOUT_SCHEMA:
        return {"source_schema", "referent_schema"} if last == "create_foreign_key" else {"schema"}
    return {"schema"} if origin.startswith("sqlalchemy") and last == "MetaData" else set()
