"""Constant values in a revision's source: texts, names of tables, column types. Nothing is executed."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from alembook.project.findings.operation import Operation

#: SQLAlchemy type, in small letters -> SQL as ``format_type`` writes it; {} takes the arguments.
_TYPES = {
    **dict.fromkeys(("string", "varchar", "unicode", "nvarchar"), "character varying{}"),
    **dict.fromkeys(("text", "unicodetext"), "text"),
    "char": "character{}",
    **dict.fromkeys(("integer", "int"), "integer"),
    **dict.fromkeys(("smallinteger", "smallint"), "smallint"),
    **dict.fromkeys(("biginteger", "bigint"), "bigint"),
    **dict.fromkeys(("numeric", "decimal"), "numeric{}"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    **dict.fromkeys(("float", "double", "double_precision"), "double precision"),
    "real": "real",
    "date": "date",
    "uuid": "uuid",
    "json": "json",
    "jsonb": "jsonb",
}


def constants(module: ast.AST) -> dict[str, ast.expr]:
    """Returns name -> expression of every simple assignment, wherever it stands; the last one counts."""
    found: dict[str, ast.expr] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            found[node.target.id] = node.value
    return found


def named(function: ast.expr) -> str:
    """Returns the last part of what is called: "text" for ``sa.text``."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def root(expression: ast.expr) -> str:
    """Returns the name an expression starts with: "op" for ``op.get_bind().execute``."""
    while isinstance(expression, ast.Attribute | ast.Call | ast.Subscript):
        expression = expression.func if isinstance(expression, ast.Call) else expression.value
    return expression.id if isinstance(expression, ast.Name) else ""


class Reader:
    """Reads expressions of one module.

    Args:
        names: name -> expression, as ``constants``.
    """

    def __init__(self, names: Mapping[str, ast.expr]) -> None:
        self._names = names

    def text(self, node: ast.expr | None, depth: int = 8) -> str | None:
        """Returns the text an expression is; parts only known when it runs read "x"; None = no text."""
        if node is None or depth == 0:
            return None
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.Name):
            return self.text(self._names.get(node.id), depth - 1)
        if isinstance(node, ast.JoinedStr):
            parts = (part if isinstance(part, ast.Constant) else None for part in node.values)
            return "".join(str(part.value) if part else "x" for part in parts)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
            right = self.text(node.right, depth - 1) if isinstance(node.op, ast.Add) else ""
            left = self.text(node.left, depth - 1)
            return None if left is None else left + (right or "")
        if isinstance(node, ast.Call):
            return self._call_text(node, depth)
        return None

    def _call_text(self, node: ast.Call, depth: int) -> str | None:
        """Returns the text in ``sa.text("...")``, ``dedent("...")``, ``"...".format()``, ``text(...).bindparams()``."""
        if node.args and named(node.func) in {"text", "dedent", "cleandoc", "DDL", "SQL", "literal_column"}:
            return self.text(node.args[0], depth - 1)
        return self.text(node.func.value, depth - 1) if isinstance(node.func, ast.Attribute) else None

    def table(self, node: ast.expr, depth: int = 8) -> str:
        """Returns the table an expression works on: ``sa.table("a")``, or a name assigned one; "" = not known."""
        if depth == 0:
            return ""
        for part in ast.walk(node):
            if isinstance(part, ast.Call) and named(part.func) in {"table", "Table"} and part.args:
                return self.qualified(part, part.args[0])
            if isinstance(part, ast.Name) and part.id in self._names:
                found = self.table(self._names[part.id], depth - 1)
                if found:
                    return found
        return ""

    def qualified(self, call: ast.Call, name: ast.expr | None) -> str:
        """Returns "schema.table" for a call that has a keyword ``schema``, else "table"; "" = not known."""
        table = self.text(name)
        schema = self.text(keyword(call, "schema") or keyword(call, "source_schema"))
        return f"{schema}.{table}" if schema and table else table or ""

    def type(self, node: ast.expr | None) -> str:
        """Returns a column type as SQL; "" for one that is not known."""
        if isinstance(node, ast.Name) and node.id in self._names:
            node = self._names[node.id]
        call = node if isinstance(node, ast.Call) else None
        name = named(call.func if call else node) if node is not None else ""
        if name.lower() in {"datetime", "timestamp"}:
            zone = keyword(call, "timezone") if call else None
            has_zone = isinstance(zone, ast.Constant) and zone.value is True
            return f"timestamp {'with' if has_zone else 'without'} time zone"
        template = _TYPES.get(name.lower(), "")
        return template.format(self._arguments(call)) if template else ""

    def _arguments(self, call: ast.Call | None) -> str:
        given = [*call.args, *(keyword(call, n) for n in ("length", "precision", "scale"))] if call else []
        numbers = [str(part.value) for part in given if isinstance(part, ast.Constant) and type(part.value) is int]
        return f"({','.join(numbers)})" if numbers else ""

    def default(self, node: ast.expr | None) -> str | None:
        """Returns a ``server_default`` as SQL; None when there is none."""
        if node is None or (isinstance(node, ast.Constant) and node.value in {None, False}):
            return None
        if isinstance(node, ast.Constant):
            return f"'{node.value!s}'"
        return self.text(node) or ast.unparse(node).replace("sa.", "").replace("func.", "")

    def column(self, node: ast.expr | None, operation: Operation) -> Operation:
        """Returns the operation with what ``sa.Column(...)`` says added."""
        if not isinstance(node, ast.Call) or named(node.func) != "Column":
            return operation
        inner = {named(part.func) for part in node.args if isinstance(part, ast.Call)}
        traits = {word for word, name in (("computed", "Computed"), ("identity", "Identity")) if name in inner}
        traits |= {name for name in ("unique", "index") if is_true(keyword(node, name))}
        kinds = [part for part in node.args[1:2] if named(part.func if isinstance(part, ast.Call) else part)]
        nullable = keyword(node, "nullable")
        return Operation(
            kind=operation.kind,
            line=operation.line,
            table=operation.table,
            column=self.text(node.args[0]) or "" if node.args else "",
            type=self.type(kinds[0]) if kinds else "",
            is_nullable=bool(nullable.value) if isinstance(nullable, ast.Constant) else None,
            default=self.default(keyword(node, "server_default")),
            traits=operation.traits | traits,
            referents=self.referents(node),
        )

    def referents(self, call: ast.Call) -> tuple[str, ...]:
        """Returns the tables that foreign keys inside a call point at."""
        found: list[str] = []
        for part in ast.walk(call):
            if not isinstance(part, ast.Call) or named(part.func) not in {"ForeignKey", "ForeignKeyConstraint"}:
                continue
            where = part.args[-1] if part.args else None
            target = where.elts[0] if isinstance(where, ast.List | ast.Tuple) and where.elts else where
            text = self.text(target)
            if text:
                found.append(text.rpartition(".")[0])
        return tuple(dict.fromkeys(found))


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """Returns the value of a keyword argument."""
    return next((each.value for each in call.keywords if each.arg == name), None)


def is_true(node: ast.expr | None) -> bool:
    """Says whether an expression is the constant True."""
    return isinstance(node, ast.Constant) and node.value is True
