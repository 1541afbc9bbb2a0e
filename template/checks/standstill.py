"""Statements that stop or empty a table, of which squawk says nothing, or something else."""

from collections.abc import Iterator, Set
from typing import Any, NamedTuple

from postgast import pg_query_pb2

from checks.rows import is_everything, is_of_all_rows, name_of
from checks.scripts import all_of, Script

_REWRITES = "writes the table anew, while nobody may read or write it"
_IN_BATCHES = (
    "It holds a lock on every row until the migration ends. Let a job do it, a batch in each "
    "transaction; for a few rows, name them behind WHERE."
)
_NEW_TABLE = (
    "Make a new table beside it, write both, let a job copy what is there, and read the new one; or "
    "say in `allowed` how few rows there are."
)
_WITH_THE_RELEASE = (
    "The release that runs relies on it. Deploy one that does not, and say so in `allowed`."
)
_TRIGGER_OFF = (
    "disabling-trigger",
    "DISABLE TRIGGER switches off what every row goes through",
    _WITH_THE_RELEASE,
)
_ROW_SECURITY = (
    "enabling-row-security",
    "ROW LEVEL SECURITY hides every row for which there is no policy",
    "Create the policies before, and say in `allowed` that they let the running release pass.",
)
_DROPS = {"OBJECT_POLICY": "POLICY", "OBJECT_RULE": "RULE", "OBJECT_TRIGGER": "TRIGGER"}
_ALTERATIONS = {
    "AT_AttachPartition": (
        "attaching-partition",
        "ATTACH PARTITION reads all of the partition while nobody may write it",
        "Give it a CHECK constraint that says what its bounds will, as not valid, validate that, and "
        "attach it in a later migration, which then reads nothing; say so in `allowed`.",
    ),
    "AT_DisableRule": (
        "disabling-trigger",
        "DISABLE RULE switches off what rows go through",
        _WITH_THE_RELEASE,
    ),
    "AT_DisableTrig": _TRIGGER_OFF,
    "AT_DisableTrigAll": _TRIGGER_OFF,
    "AT_DisableTrigUser": _TRIGGER_OFF,
    "AT_EnableRowSecurity": _ROW_SECURITY,
    "AT_ForceRowSecurity": _ROW_SECURITY,
    "AT_SetAccessMethod": ("rewriting-table", f"SET ACCESS METHOD {_REWRITES}", _NEW_TABLE),
    "AT_SetExpression": ("rewriting-table", f"SET EXPRESSION {_REWRITES}", _NEW_TABLE),
    "AT_SetLogged": ("rewriting-table", f"SET LOGGED {_REWRITES}", _NEW_TABLE),
    "AT_SetTableSpace": ("rewriting-table", f"SET TABLESPACE {_REWRITES}", _NEW_TABLE),
    "AT_SetUnLogged": (
        "rewriting-table",
        f"SET UNLOGGED {_REWRITES}, and empties it whenever Postgres crashes",
        _NEW_TABLE,
    ),
}
_SERIALS = {"bigserial", "serial", "serial2", "serial4", "serial8", "smallserial"}
_OF_EVERYBODY = {"extensions", "pg_catalog"}
_BLOCKS_WRITES = 5
"""SHARE, the weakest lock beside which nobody writes."""


class Finding(NamedTuple):
    """What is wrong with one statement."""

    line: int
    """In the SQL, from 0."""
    rule: str
    text: str


def find_standstills(script: Script) -> Iterator[Finding]:
    """Find what stops or empties a table that is not new in this script."""
    new: set[str] = set()
    added: set[tuple[str, str]] = set()
    for each in script.statements:
        line, said = script.line_of(each), f"In: {' '.join(each.text.split())}"
        if each.tree is None:
            yield Finding(line, "unreadable", f"Postgres cannot read this as SQL. {said}")
            continue
        new.update(_made(each.tree))
        added.update(_added(each.tree))
        for table, rule, text in _judge(each.tree, added):
            if table not in new:
                yield Finding(line, rule, f"{text} {said}")


def _judge(tree: Any, added: Set[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    """Yield the table that is stopped or emptied, the rule, and what happens and what to do."""
    if called := _called(tree):
        yield (
            "",
            "hidden-in-a-body",
            f"Nobody reads what {called} does. Write its statements one by one.",
        )
    for node in all_of(tree):
        match node.DESCRIPTOR.name:
            case "AlterTableStmt":
                for command in all_of(node, "AlterTableCmd"):
                    for rule, text in _alteration(command):
                        yield name_of(node.relation), rule, text
            case "ClusterStmt":
                yield (
                    name_of(node.relation),
                    "rewriting-table",
                    f"CLUSTER {_REWRITES}. {_NEW_TABLE}",
                )
            case "VacuumStmt":
                if any(each.def_elem.defname == "full" for each in node.options):
                    yield "", "rewriting-table", f"VACUUM FULL {_REWRITES}. {_NEW_TABLE}"
            case "LockStmt":
                if node.mode >= _BLOCKS_WRITES:
                    yield (
                        name_of(node.relations[0].range_var),
                        "locking-table",
                        "LOCK keeps everybody waiting until the migration ends. Leave it out: "
                        "each statement takes the lock that it needs.",
                    )
            case "TruncateStmt":
                for each in node.relations:
                    yield (
                        name_of(each.range_var),
                        "emptying-table",
                        f"TRUNCATE empties a table that the release reads. {_WITH_THE_RELEASE}",
                    )
            case "DeleteStmt" if is_everything(node, added):
                yield (
                    name_of(node.relation),
                    "emptying-table",
                    f"DELETE takes every row, and the release reads them. {_WITH_THE_RELEASE}",
                )
            case "UpdateStmt" if is_everything(node, added):
                yield (
                    name_of(node.relation),
                    "updating-every-row",
                    f"UPDATE changes every row. {_IN_BATCHES}",
                )
            case "MergeStmt" if is_everything(node, added):
                yield (
                    name_of(node.relation),
                    "updating-every-row",
                    f"MERGE changes or takes every row. {_IN_BATCHES}",
                )
            case "RefreshMatViewStmt" if not node.concurrent:
                yield (
                    name_of(node.relation),
                    "refreshing-view",
                    "REFRESH keeps everybody from reading the view. Give it a unique index, and "
                    "write CONCURRENTLY.",
                )
            case "DropStmt":
                kind = _DROPS.get(pg_query_pb2.ObjectType.Name(node.remove_type))
                for each in node.objects if kind else []:
                    yield (
                        ".".join(part.string.sval for part in each.list.items[:-1]),
                        "disabling-trigger",
                        f"DROP {kind} takes away what every row goes through. {_WITH_THE_RELEASE}",
                    )
            case "RuleStmt" if node.instead:
                yield (
                    name_of(node.relation),
                    "replacing-statements",
                    f"DO INSTEAD takes the place of what the release sends. {_WITH_THE_RELEASE}",
                )
            case "SelectStmt" if node.locking_clause and is_of_all_rows(node):
                yield (
                    next((name_of(each) for each in all_of(node, "RangeVar")), ""),
                    "locking-rows",
                    f"SELECT … FOR UPDATE locks every row. {_IN_BATCHES}",
                )
            case "DoStmt":
                yield (
                    "",
                    "hidden-in-a-body",
                    "Nobody reads what a DO block does. Write its statements one by one.",
                )


def _alteration(command: Any) -> Iterator[tuple[str, str]]:
    kind = pg_query_pb2.AlterTableType.Name(command.subtype)
    if kind in _ALTERATIONS:
        rule, what, remedy = _ALTERATIONS[kind]
        yield rule, f"{what}. {remedy}"
    if kind == "AT_AddColumn":
        names = [each.string.sval for each in getattr(command, "def").column_def.type_name.names]
        if names[-1:] and names[-1] in _SERIALS:
            yield "rewriting-table", f"A column that counts by itself {_REWRITES}. {_NEW_TABLE}"
        kinds = {each.contype for each in all_of(command, "Constraint")}
        if (
            pg_query_pb2.CONSTR_CHECK in kinds
            and pg_query_pb2.CONSTR_ATTR_NOT_ENFORCED not in kinds
        ):
            yield (
                "constraint-missing-not-valid",
                "ADD COLUMN … CHECK reads the whole table, while nobody may read or write it. Add "
                "the column, then the constraint as NOT VALID, and validate it in a later migration.",
            )


def _made(tree: Any) -> Iterator[str]:
    """Yield the tables that a statement makes."""
    for each in all_of(tree):
        if each.DESCRIPTOR.name == "CreateStmt":
            yield name_of(each.relation)
        elif each.DESCRIPTOR.name in ("CreateTableAsStmt", "SelectStmt"):
            into = each.into if each.DESCRIPTOR.name == "CreateTableAsStmt" else each.into_clause
            if into.HasField("rel"):
                yield name_of(into.rel)


def _added(tree: Any) -> Iterator[tuple[str, str]]:
    """Yield the columns that a statement adds, each behind its table."""
    for node in all_of(tree, "AlterTableStmt"):
        for command in all_of(node, "AlterTableCmd"):
            if command.subtype == pg_query_pb2.AT_AddColumn:
                yield name_of(node.relation), getattr(command, "def").column_def.colname


def _called(tree: Any) -> str | None:
    """Return the function of the module's own that a CALL or SELECT is there for."""
    for statement in tree.stmts:
        if statement.stmt.HasField("select_stmt") or statement.stmt.HasField("call_stmt"):
            for node in all_of(statement, "FuncCall"):
                parts = [each.string.sval for each in node.funcname]
                if len(parts) > 1 and parts[0] not in _OF_EVERYBODY:
                    return ".".join(parts)
    return None
