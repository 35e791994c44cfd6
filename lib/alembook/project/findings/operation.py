"""What a revision does to one table, in the same words whether Python or SQL says it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing a revision does.

    Attributes:
        kind: Alembic's name ("add_column", "create_index"), or update, delete, insert, truncate, do, enum_value, sql.
        line: in the revision's file.
        table: "table" or "schema.table"; "" where the source does not say.
        column: the one it is about; "" for none.
        type: the new type as SQL writes it; "" for none or one that is not known.
        is_nullable: what NULL becomes; None = not said.
        default: the server's default as SQL; None = not said.
        traits: not_valid, concurrently, if_not_exists, autocommit, unique, computed, identity, references, renames,
            using, where, batched, conditional (in an ``if``, a loop, or a function that upgrade calls).
        referents: tables that foreign keys point at.
        sql: the statement, where it is SQL.
    """

    kind: str
    line: int
    table: str = ""
    column: str = ""
    type: str = ""
    is_nullable: bool | None = None
    default: str | None = None
    traits: frozenset[str] = frozenset()
    referents: tuple[str, ...] = ()
    sql: str = ""

    def text(self) -> str:
        """Returns it in one line: its SQL, or kind, table and column."""
        if self.sql:
            return " ".join(self.sql.split())[:160]
        name = ".".join(part for part in (self.table, self.column) if part)
        return f"{self.kind} {name}".strip()
