"""Whether a revision's text names every table it works on, or leaves that to other code and to catalogues."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from alembook.project.findings import composed
from alembook.project.findings.values import named, root

_OURS = ("alembic", "sqlalchemy", "sqlmodel", "typing", "__future__", "pgvector", "geoalchemy2")
_STANDARD = frozenset(
    "collections datetime decimal enum functools itertools json logging math os re textwrap uuid".split()
)
#: What lists tables, so that a loop may work on each.
_LISTS = re.compile(
    r"\b(pg_class|pg_tables|pg_stat_\w+|pg_inherits|information_schema|get_table_names|sorted_tables|automap_base|"
    r"reflect)\b"
)
#: How a connection is usually called: who gets one may send anything.
_HANDLES = re.compile(r"\b(get_bind|bind|conn|connection|session|engine|context|op)\b", re.IGNORECASE)


def tables(text: str) -> str:
    """Returns why the statements of a revision may name tables that its text does not; "" when they should not.

    A value computed by other code (a type, an id) is no reason; code that is called for its effect, or is handed a
    connection, is.

    Args:
        text: of the file.

    Raises:
        SyntaxError: it is no Python.
    """
    if found := _LISTS.search(text):
        return f"it asks which tables there are ({found[0]})"
    module = ast.parse(text)
    if line := composed.line(module):
        return f"line {line} puts a name together"
    foreign = set(_foreign(module))
    for call, is_statement in _calls(module):
        owner = root(call.func)
        arguments = " ".join(ast.unparse(each) for each in [*call.args, *(word.value for word in call.keywords)])
        if owner in foreign and (is_statement or _HANDLES.search(arguments)):
            return f"line {call.lineno} calls {owner}.{named(call.func)}".replace(f"{owner}.{owner}", owner)
    return ""


def _foreign(module: ast.Module) -> Iterator[str]:
    """Yields the names that come from neither the standard library's nor Alembic's nor SQLAlchemy's modules."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from ((each.asname or each.name).partition(".")[0] for each in node.names if not _is_known(each.name))
        elif isinstance(node, ast.ImportFrom) and (node.level or not _is_known(node.module or "")):
            yield from (each.asname or each.name for each in node.names)


def _is_known(module: str) -> bool:
    return module.partition(".")[0] in {*_OURS, *_STANDARD}


def _calls(module: ast.Module) -> Iterator[tuple[ast.Call, bool]]:
    """Yields each call, and whether it stands alone as a statement."""
    alone = {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            yield node, id(node) in alone
