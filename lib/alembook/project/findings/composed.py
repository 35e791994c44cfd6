"""Names of tables that a revision puts together: its text has the parts, and not the name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from alembook.project.findings.values import named, root

#: Operation of Alembic -> places of its arguments that are tables, and their keywords.
_TABLES = {
    **dict.fromkeys(("create_table", "drop_table", "batch_alter_table", "add_column", "drop_column"), (0,)),
    **dict.fromkeys(("alter_column", "create_table_comment", "drop_table_comment"), (0,)),
    **dict.fromkeys(("create_index", "drop_index", "create_unique_constraint", "create_check_constraint"), (1,)),
    **dict.fromkeys(("create_primary_key", "create_exclude_constraint", "drop_constraint"), (1,)),
    "rename_table": (0, 1),
    "create_foreign_key": (1, 2),
}
_KEYWORDS = frozenset({"table_name", "source_table", "referent_table"})
_STATEMENTS = frozenset({"execute", "exec_driver_sql", "text"})
#: A placeholder of % or format() that other letters of a name stand beside.
_BESIDE = re.compile(r"\w(%s|%\(\w+\)s|\{\w*\})|(%s|%\(\w+\)s|\{\w*\})\w")


def line(module: ast.Module) -> int:
    """Returns the first line at which a name of a table is put together; 0 when none is."""
    assigned = _assigned(module)
    calls = sorted((node for node in ast.walk(module) if isinstance(node, ast.Call)), key=lambda node: node.lineno)
    for call in calls:
        verb = named(call.func)
        if any(_is_made(each, assigned) for each in _places(call)):
            return call.lineno
        if verb in _STATEMENTS and any(_is_cut(node) for each in call.args for node in ast.walk(each)):
            return call.lineno
    return 0


def _places(call: ast.Call) -> Iterator[ast.expr]:
    """Yields the arguments of an operation that are names of tables."""
    if root(call.func) not in {"op", "batch_op"} or named(call.func) not in _TABLES:
        return
    yield from (call.args[place] for place in _TABLES[named(call.func)] if place < len(call.args))
    yield from (word.value for word in call.keywords if word.arg in _KEYWORDS)


def _assigned(module: ast.Module) -> dict[str, list[ast.expr]]:
    """Returns name -> what is assigned to it anywhere."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, []).append(node.value)
    return found


def _is_made(node: ast.expr, assigned: dict[str, list[ast.expr]]) -> bool:
    if isinstance(node, ast.Name):
        return any(isinstance(value, ast.BinOp | ast.Call | ast.JoinedStr) for value in assigned.get(node.id, ()))
    return isinstance(node, ast.BinOp | ast.Call | ast.JoinedStr)


def _is_cut(node: ast.AST) -> bool:
    """Says whether letters of a name stand directly beside a place that something is put into."""
    if isinstance(node, ast.JoinedStr):
        parts = "".join(str(each.value) if isinstance(each, ast.Constant) else "{}" for each in node.values)
        return _BESIDE.search(parts) is not None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) and isinstance(node.left, ast.Constant):
        return _BESIDE.search(str(node.left.value)) is not None
    return False
