"""What a text of SQL touches, by the grammar of Postgres itself."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from postgast import parse, pg_query_pb2, PgQueryError

from checks.bodies import read_body

_FRAMES = (
    "{}",
    "SELECT {}",
    "SELECT 1 ORDER BY {}",
    "SELECT 1 FROM {}",
    "SELECT 1 {}",
    "SELECT {} 1",
    "CREATE TABLE t (c {})",
)
"""`text()` takes parts of statements, too: expressions, clauses, what stands behind FROM."""
_PARAMETER = re.compile(r"(?<![:\w\\]):\w+(?!:)")
"""As `text()` names one."""
_LIST = re.compile(r"\bIN\s+\$1", re.IGNORECASE)
_SPEAKER = {"role", "session_authorization", "search_path"}
_TAKE_NAMES = re.compile(
    r"nextval|setval|currval|to_reg\w+|has_\w+|\w+_to_xml\w*|pg_(?!notify|try_|advisory_)\w+"
)
_SESSION_LOCK = re.compile(r"pg_(try_)?advisory_lock(_shared)?")
_HOLD = 0x20
"""Of DECLARE: the cursor outlives the transaction."""
_RUN_TEXT = re.compile(r"query_to_xml\w*|ts_stat|ts_rewrite|dblink\w*|crosstab\w*|connectby")
_TWO_NAMES = re.compile(r'\s*"?(\w+)"?\s*\.\s*"?\w.*', re.DOTALL)
_QUALIFIED = {
    "collname",
    "defnames",
    "domainname",
    "func_name",
    "funcname",
    "items",
    "name",
    "names",
    "objname",
    "oper_name",
    "opclass",
    "opclassname",
    "opfamilyname",
    "type_name",
}
"""Fields that hold a name in parts: the schema first, where there are two."""
_SESSION = {"DiscardStmt", "DeallocateStmt", "ListenStmt", "PrepareStmt", "UnlistenStmt"}
_GRANT = {"AlterOwnerStmt", "DropOwnedStmt", "GrantRoleStmt", "ReassignOwnedStmt", "SecLabelStmt"}
_BEYOND = re.compile(
    r"(Create|Alter|Drop)(AccessMethod|Am|Cast|Database|DatabaseSet|EventTrig|Extension|"
    r"ExtensionContents|Fdw|ForeignServer|PLang|Publication|Role|RoleSet|Schema|Subscription|System|"
    r"TableSpace|TableSpaceOptions|Transform|UserMapping|db)Stmt|(ImportForeignSchema|Load)Stmt"
)
"""Statements about what belongs to the database as a whole."""
_OBJECTS_BEYOND = re.compile(
    r"OBJECT_(ACCESS_METHOD|CAST|DATABASE|EVENT_TRIGGER|EXTENSION|FDW|FOREIGN_SERVER|LANGUAGE|"
    r"PUBLICATION|ROLE|SCHEMA|SUBSCRIPTION|TABLESPACE|TRANSFORM)"
)


class UnreadableError(Exception):
    """The text is not SQL as Postgres speaks it, nor a part of it."""


def read_statement(sql: str) -> Mapping[str, frozenset[str]]:
    """Read one or more statements, or a part of one. Raises UnreadableError.

    Returns, by kind: `schema`, where its tables stand; `mention`, what else stands before a dot;
    `speaker`, `session`, `transaction`, `grant` and `beyond`, what it does that is not for a module
    to do; `unread`, what hides in a string.
    """
    sql = _LIST.sub("IN ($1)", _PARAMETER.sub("$1", sql).replace("\\:", ":"))
    for frame in _FRAMES:
        try:
            tree = parse(frame.replace("{}", sql))
        except (PgQueryError, ValueError) as error:
            failure = error
        else:
            reader = _Reader(is_part=frame != "{}")
            reader.walk(tree)
            return {kind: frozenset(found) for kind, found in reader.found.items()}
    raise UnreadableError(str(failure)) from None


class _Reader:
    """Walks one tree, of messages that only protobuf knows the types of."""

    def __init__(self, *, is_part: bool) -> None:
        self.found: dict[str, set[str]] = defaultdict(set)
        self._is_part = is_part
        self._in_function = False

    def walk(self, message: Any) -> None:
        kind: str = message.DESCRIPTOR.name
        if (look := getattr(self, f"_{kind}", None)) is not None:
            look(message)
        elif kind in _SESSION:
            self._add("session", _spoken(kind))
        elif kind in _GRANT:
            self._add("grant", _spoken(kind))
        elif _BEYOND.fullmatch(kind):
            self._add("beyond", _spoken(kind))
        for descriptor, value in message.ListFields():
            if descriptor.type != descriptor.TYPE_MESSAGE:
                continue
            if hasattr(value, "DESCRIPTOR"):
                self.walk(value)
                continue
            for each in value:
                self.walk(each)
            if descriptor.name in _QUALIFIED and len(parts := _strings(value)) > 1:
                self._add("mention", parts[0].lower())

    def _add(self, kind: str, *values: str) -> None:
        self.found[kind].update(values)

    def _CreateStmt(self, node: Any) -> None:
        self._temporary(node.relation, node.oncommit)

    def _IntoClause(self, node: Any) -> None:
        self._temporary(node.rel, node.on_commit)

    def _ViewStmt(self, node: Any) -> None:
        self._temporary(node.view)

    def _CreateSeqStmt(self, node: Any) -> None:
        self._temporary(node.sequence)

    def _temporary(self, relation: Any, on_commit: int = pg_query_pb2.ONCOMMIT_NOOP) -> None:
        is_temporary = relation.relpersistence == "t" or relation.schemaname == "pg_temp"
        if is_temporary and on_commit != pg_query_pb2.ONCOMMIT_DROP:
            self._add("session", "TEMP without ON COMMIT DROP")

    def _DeclareCursorStmt(self, node: Any) -> None:
        if node.options & _HOLD:
            self._add("session", "WITH HOLD")

    def _RangeVar(self, node: Any) -> None:
        if node.schemaname:
            self._add("schema", node.schemaname.lower())

    def _ColumnRef(self, node: Any) -> None:
        # In a whole statement, what stands before the dot of `a.b` is one of its own tables.
        parts = _strings(node.fields)
        if len(parts) > (1 if self._is_part else 2):
            self._add("mention", parts[0].lower())

    def _FuncCall(self, node: Any) -> None:
        name = (_strings(node.funcname) or [""])[-1]
        if name == "set_config":
            self._set_config([*node.args])
        elif _SESSION_LOCK.fullmatch(name):
            self._add("session", f"{name} (take {name.replace('lock', 'xact_lock', 1)})")
        elif _RUN_TEXT.fullmatch(name):
            texts = [_text(each) for each in node.args]
            for text in [texts[0] if texts else None, *filter(None, texts[1:])]:
                self._nested(text)
        elif _TAKE_NAMES.fullmatch(name):
            for each in node.args:
                self._name(_text(each))

    def _set_config(self, args: list[Any]) -> None:
        setting = _text(args[0]) if args else None
        if setting is None:
            self._add("unread", "set_config")
        elif setting.lower() in _SPEAKER:
            self._add("speaker", f"set_config('{setting}')")
        elif not (len(args) > 2 and args[2].a_const.boolval.boolval):
            self._add("session", "set_config(…, false)")

    def _TypeCast(self, node: Any) -> None:
        if _strings(node.type_name.names)[-1:] and _strings(node.type_name.names)[-1][:3] == "reg":
            self._name(_text(node.arg))

    def _VariableSetStmt(self, node: Any) -> None:
        kind = pg_query_pb2.VariableSetKind.Name(node.kind)
        verb = "RESET" if "RESET" in kind else "SET"
        name = node.name.lower() or "all"
        if name == "search_path" and self._in_function:
            self._add("schema", *(text.lower() for each in node.args if (text := _text(each))))
        elif name in _SPEAKER:
            said = "SESSION AUTHORIZATION" if name == "session_authorization" else name
            self._add("speaker", f"{verb} {said.upper() if said != 'search_path' else said}")
        elif not (node.is_local or self._in_function or name == "transaction"):
            self._add("session", f"{verb} {name}")

    def _UpdateStmt(self, node: Any) -> None:
        if node.relation.relname == "pg_settings":  # It is a view of set_config(…, false).
            self._add("session", "UPDATE pg_settings")

    def _TransactionStmt(self, node: Any) -> None:
        said = pg_query_pb2.TransactionStmtKind.Name(node.kind).removeprefix("TRANS_STMT_")
        self._add("transaction", said.replace("_", " "))

    def _GrantStmt(self, node: Any) -> None:
        public = pg_query_pb2.ROLESPEC_PUBLIC
        if node.is_grant or any(each.role_spec.roletype != public for each in node.grantees):
            self._add("grant", "GRANT" if node.is_grant else "REVOKE")
        if node.objtype == pg_query_pb2.OBJECT_SCHEMA:
            self._add("mention", *(each.lower() for each in _strings(node.objects)))

    def _AlterTableCmd(self, node: Any) -> None:
        if node.subtype == pg_query_pb2.AT_ChangeOwner:
            self._add("grant", "OWNER TO")

    def _DropStmt(self, node: Any) -> None:
        self._object(node.remove_type)

    def _RenameStmt(self, node: Any) -> None:
        self._object(node.rename_type)

    def _AlterObjectSchemaStmt(self, node: Any) -> None:
        self._object(node.object_type)
        self._add("schema", node.newschema.lower())

    def _object(self, kind: int) -> None:
        name = pg_query_pb2.ObjectType.Name(kind)
        if _OBJECTS_BEYOND.fullmatch(name):
            self._add("beyond", name.removeprefix("OBJECT_").replace("_", " "))

    def _AlterFunctionStmt(self, node: Any) -> None:
        self._options(node.actions)

    def _CreateFunctionStmt(self, node: Any) -> None:
        self._body(self._options(node.options))

    def _DoStmt(self, node: Any) -> None:
        self._body({"language": "plpgsql", **self._options(node.args)})

    def _options(self, nodes: Iterable[Any]) -> dict[str, str]:
        """Return the options of a function, those that say one thing."""
        self._in_function = True
        options = {}
        for option in (each.def_elem for each in nodes):
            if option.defname == "security" and option.arg.boolean.boolval:
                self._add("grant", "SECURITY DEFINER")
            texts = _strings(option.arg.list.items) or _strings([option.arg])
            options[option.defname] = texts[0] if texts else ""
        return options

    def _body(self, options: Mapping[str, str]) -> None:
        language, body = options.get("language", "sql").lower(), options.get("as")
        if body is None:
            return  # BEGIN ATOMIC …: it is part of the tree.
        if language == "sql":
            self._nested(body)
        elif language == "plpgsql":
            for kind, value in read_body(body):
                self._add(kind, value)
        else:
            self._add("unread", f"a body in {language}")

    def _nested(self, sql: str | None) -> None:
        try:
            found = read_statement(sql) if sql is not None else {"unread": frozenset({"SQL"})}
        except UnreadableError:
            found = {"unread": frozenset({"SQL"})}
        for kind, values in found.items():
            self._add(kind, *values)

    def _name(self, text: str | None) -> None:
        if text is not None and (found := _TWO_NAMES.fullmatch(text)):
            self._add("mention", found[1].lower())


def _strings(nodes: Iterable[Any]) -> list[str]:
    return [each.string.sval for each in nodes if each.HasField("string")]


def _text(node: Any) -> str | None:
    """Return what a string in quotes says, a cast of it included."""
    if node.HasField("type_cast"):
        return _text(node.type_cast.arg)
    is_text = node.HasField("a_const") and node.a_const.HasField("sval")
    return str(node.a_const.sval.sval) if is_text else None


def _spoken(kind: str) -> str:
    """Return `CREATE ROLE` for `CreateRoleStmt`."""
    return " ".join(re.findall("[A-Z][a-z]*|[a-z]+", kind.removesuffix("Stmt"))).upper()
