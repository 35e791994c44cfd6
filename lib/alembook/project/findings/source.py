"""A revision's source, read without being executed."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from alembook.project.findings import statement as sql
from alembook.project.findings.operation import Operation
from alembook.project.findings.values import Reader, constants, is_true, keyword, named, root

#: Alembic's operation -> how many arguments stand before the table's name (Alembic, "Operation Reference").
_TABLE_AT = {
    **dict.fromkeys(
        "create_table drop_table add_column drop_column alter_column rename_table batch_alter_table".split(), 0
    ),
    **dict.fromkeys("create_index drop_index create_unique_constraint create_check_constraint".split(), 1),
    **dict.fromkeys("create_primary_key create_foreign_key create_exclude_constraint drop_constraint".split(), 1),
    "bulk_insert": 0,
}
_TABLE_NAMES = ("table_name", "source_table", "old_table_name")
_EXECUTE = frozenset({"execute", "exec_driver_sql", "scalar", "scalars"})
_DML = frozenset({"update", "delete", "insert"})
_OF_SESSIONS = frozenset("add add_all bulk_save_objects bulk_insert_mappings bulk_update_mappings merge".split())
_KNOWN_ROOTS = frozenset({"op", "sa", "sqlalchemy", "postgresql", "pg", "text", "alembic", "sqlmodel", *dir(builtins)})
_KNOWN_MODULES = ("alembic", "sqlalchemy", "sqlmodel", "typing", "__future__", "collections", "textwrap", "pgvector")
_FORBIDDEN_BUILTINS = frozenset({"open", "exec", "eval", "input", "__import__", "compile", "breakpoint"})
_ASKS = frozenset({"get_bind", "inspect", "create_engine"})
#: What may be asked of ``op.get_context()`` without a database behind it.
_OF_CONTEXT = frozenset({"autocommit_block", "dialect", "as_sql"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a revision's file says.

    Attributes:
        text: the file.
        upgrade: what ``upgrade`` does, in the order of the source.
        downgrade: the same for ``downgrade``.
        has_downgrade: it does something.
        has_upgrade: it does something (a merge has none).
        docstring: of the file.
        skips_offline: it asks ``is_offline_mode``.
        unsafe_to_render: why ``upgrade`` must not be called to see its SQL; "" when it may.
    """

    text: str
    upgrade: tuple[Operation, ...]
    downgrade: tuple[Operation, ...]
    has_downgrade: bool
    has_upgrade: bool
    docstring: str
    skips_offline: bool
    unsafe_to_render: str

    @classmethod
    def parse(cls, text: str) -> Source:
        """Returns what a file says.

        Raises:
            SyntaxError: it is no Python.
        """
        module = ast.parse(text)
        up, down = _Body(module, "upgrade"), _Body(module, "downgrade")
        return cls(
            text=text,
            upgrade=tuple(up.operations()),
            downgrade=tuple(down.operations()),
            has_upgrade=up.does_something(),
            has_downgrade=down.does_something(),
            docstring=(ast.get_docstring(module) or "").strip(),
            skips_offline="is_offline_mode" in text,
            unsafe_to_render=up.unsafe(),
        )


class _Body:
    """One function of a revision and the module's functions it calls."""

    def __init__(self, module: ast.Module, name: str) -> None:
        self._module = module
        self._functions = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
        self._bodies = self._reached(name)
        self._reader = Reader(constants(module))
        self._batches: dict[str, str] = {}

    def _reached(self, name: str) -> list[ast.FunctionDef]:
        """Returns the function, those it calls, and those of a template for several databases (``upgrade_engine1``)."""
        waiting = [each for each in self._functions if each == name or each.startswith(f"{name}_")]
        found: list[str] = []
        while waiting:
            current = waiting.pop(0)
            if current in self._functions and current not in found:
                found.append(current)
                waiting += [node.id for node in ast.walk(self._functions[current]) if isinstance(node, ast.Name)]
        return [self._functions[each] for each in found]

    def does_something(self) -> bool:
        """Says whether there is more than ``pass``, a docstring, ``return`` or ``raise NotImplementedError``."""
        return any(not _is_idle(statement) for body in self._bodies for statement in body.body)

    def operations(self) -> Iterator[Operation]:
        """Yields what the functions do."""
        for number, body in enumerate(self._bodies):
            yield from self._walk(body.body, frozenset({"conditional"} if number else ()))

    def _walk(self, nodes: Sequence[ast.AST], traits: frozenset[str]) -> Iterator[Operation]:
        for node in nodes:
            if isinstance(node, ast.With):
                inside = traits | ({"autocommit"} if self._enter(node) else set())
                yield from self._walk(node.body, inside)
                continue
            if isinstance(node, ast.Call):
                yield from self._call(node, traits)
            inside = traits | ({"conditional"} if isinstance(node, ast.If | ast.For | ast.While | ast.Try) else set())
            yield from self._walk(list(ast.iter_child_nodes(node)), inside)

    def _enter(self, statement: ast.With) -> bool:
        """Remembers ``with op.batch_alter_table("t") as batch``; says whether it is an autocommit block."""
        names = []
        for item in statement.items:
            call = item.context_expr
            if isinstance(call, ast.Call):
                names.append(named(call.func))
                if names[-1] == "batch_alter_table" and isinstance(item.optional_vars, ast.Name):
                    table = call.args[0] if call.args else keyword(call, "table_name")
                    self._batches[item.optional_vars.id] = self._reader.qualified(call, table)
        return "autocommit_block" in names

    def _call(self, call: ast.Call, traits: frozenset[str]) -> Iterator[Operation]:
        name, owner = named(call.func), root(call.func)
        if name in _TABLE_AT and (owner == "op" or owner in self._batches) and name != "batch_alter_table":
            yield self._structure(call, name, self._batches.get(owner), traits)
        elif name in _EXECUTE and isinstance(call.func, ast.Attribute) and call.args:
            yield from self._executed(call, traits)
        elif name in _OF_SESSIONS and "session" in owner:
            yield Operation(kind="insert", line=call.lineno, traits=traits)
        elif name in _DML and isinstance(call.func, ast.Attribute) and "query" in ast.unparse(call.func):
            yield Operation(kind=name, line=call.lineno, traits=traits | {"where"})

    def _executed(self, call: ast.Call, traits: frozenset[str]) -> Iterator[Operation]:
        text = self._reader.text(call.args[0])
        if text is not None:
            yield from sql.operations(text, call.lineno, traits)
            return
        words = {named(part.func) for part in ast.walk(call.args[0]) if isinstance(part, ast.Call)}
        for kind in sorted(words & _DML):
            more = {"where"} & words | ({"batched"} if words & {"limit", "between", "in_"} else set())
            yield Operation(kind=kind, line=call.lineno, table=self._reader.table(call.args[0]), traits=traits | more)

    def _structure(self, call: ast.Call, name: str, batch: str | None, traits: frozenset[str]) -> Operation:
        at = _TABLE_AT[name]
        if name == "bulk_insert":
            return Operation(kind="insert", line=call.lineno, table=self._reader.table(call.args[0]), traits=traits)
        rest = call.args[at:] if batch is not None else call.args[at + 1 :]
        given = next((found for each in _TABLE_NAMES if (found := keyword(call, each))), None)
        where = given or (call.args[at] if at < len(call.args) else None)
        table = batch if batch is not None else self._reader.qualified(call, where)
        said = Operation(kind=name, line=call.lineno, table=table, traits=traits | _flags(call, name))
        if name == "add_column":
            return self._reader.column(next((part for part in rest if isinstance(part, ast.Call)), None), said)
        return self._about(call, said, rest)

    def _about(self, call: ast.Call, found: Operation, rest: Sequence[ast.expr]) -> Operation:
        nullable = keyword(call, "nullable")
        is_column = found.kind in {"alter_column", "drop_column"}
        first = keyword(call, "column_name") or (rest[0] if rest else None)
        referents = self._reader.referents(call) if found.kind == "create_table" else ()
        if found.kind == "create_foreign_key":
            other = keyword(call, "referent_table") or (rest[0] if rest and not is_column else None)
            referents = tuple(filter(None, [self._reader.text(other)]))
        return Operation(
            kind=found.kind,
            line=found.line,
            table=found.table,
            column=(self._reader.text(first) or "") if is_column else "",
            type=self._reader.type(keyword(call, "type_")),
            is_nullable=bool(nullable.value) if isinstance(nullable, ast.Constant) else None,
            traits=found.traits,
            referents=referents,
        )

    def unsafe(self) -> str:
        """Returns why calling the function would do more than name operations; "" when it would not."""
        imported = _imported(self._module)
        for body in self._bodies:
            for node in ast.walk(body):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    return f"line {node.lineno} imports inside the function"
                if isinstance(node, ast.Attribute) and _asks_context(node):
                    return f"line {node.lineno} asks the database (op.get_context)"
                if isinstance(node, ast.Call) and (reason := self._unsafe_call(node, imported)):
                    return f"line {node.lineno} {reason}"
        return ""

    def _unsafe_call(self, call: ast.Call, imported: dict[str, str]) -> str:
        name, owner = named(call.func), root(call.func)
        if name in _ASKS and owner in {"op", "sa", "inspect", "sqlalchemy", "create_engine"}:
            return f"asks the database ({owner}.{name})"
        if owner in _FORBIDDEN_BUILTINS:
            return f"calls {owner}"
        module = imported.get(owner)
        if module is not None and not module.startswith(_KNOWN_MODULES):
            return f"calls {owner}, which is not Alembic's or SQLAlchemy's"
        known = owner in _KNOWN_ROOTS or owner in self._functions or owner in self._batches or module is not None
        return "" if known or not owner or self._is_local(owner) else f"calls {owner}, whose origin is not known"

    def _is_local(self, name: str) -> bool:
        """Says whether a name is assigned in this file, from something that was looked at itself."""
        return any(
            isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
            for node in ast.walk(self._module)
        )


def _imported(module: ast.Module) -> dict[str, str]:
    """Returns name -> module it comes from, for the imports at the top of a file."""
    found: dict[str, str] = {}
    for node in module.body:
        if isinstance(node, ast.Import):
            found.update({(alias.asname or alias.name).partition(".")[0]: alias.name for alias in node.names})
        elif isinstance(node, ast.ImportFrom):
            found.update({alias.asname or alias.name: node.module or "." for alias in node.names})
    return found


def _asks_context(node: ast.Attribute) -> bool:
    is_context = isinstance(node.value, ast.Call) and named(node.value.func) == "get_context"
    return is_context and node.attr not in _OF_CONTEXT


def _flags(call: ast.Call, name: str) -> frozenset[str]:
    flags = {
        "concurrently": keyword(call, "postgresql_concurrently"),
        "not_valid": keyword(call, "postgresql_not_valid"),
        "if_not_exists": keyword(call, "if_not_exists"),
        "unique": keyword(call, "unique"),
    }
    found = {flag for flag, node in flags.items() if is_true(node)}
    found |= {"using"} if keyword(call, "postgresql_using") is not None else set()
    found |= {"renames"} if keyword(call, "new_column_name") is not None or name == "rename_table" else set()
    return frozenset(found)


def _is_idle(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return True
    return isinstance(statement, ast.Pass | ast.Return | ast.Raise)
