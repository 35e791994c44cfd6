"""What the database itself says it is at, and what that means for the project's revisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from psycopg2 import sql

from alembook.postgres import connection as connections
from alembook.postgres import statements
from alembook.project import graph

_NAMED = 5


class Kind(StrEnum):
    """How version rows stand to the revisions of the project."""

    EMPTY = "empty"
    UNSTAMPED = "tables without version rows"
    BEHIND = "behind"
    AT_HEAD = "at head"
    UNKNOWN = "unknown revision"
    OVERLAPPING = "overlapping rows"
    DIFFERS = "stamped, and the schema differs"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where a database is.

    Attributes:
        kind: how its rows stand to the project, and whether the schema is what they say.
        rows: the version rows, as read.
        message: one sentence for the operator.
        next: what to do; "" where an upgrade can simply go on.
    """

    kind: Kind
    rows: tuple[str, ...]
    message: str
    next: str = ""

    @property
    def may_upgrade(self) -> bool:
        """Says whether the rows leave no doubt about what is applied."""
        return self.kind not in {Kind.UNKNOWN, Kind.OVERLAPPING}

    @property
    def is_stamped(self) -> bool:
        """Says whether there are version rows, and all of them the project's."""
        return bool(self.rows) and self.may_upgrade

    def differing(self, differences: Sequence[str]) -> State:
        """Returns the state of a database whose schema is not what its version rows say.

        Args:
            differences: a sentence each.
        """
        return State(
            kind=Kind.DIFFERS,
            rows=self.rows,
            message=f"{self.message} Its schema is not the recorded one: {'; '.join(differences[:_NAMED])}.",
            next="Find out who changed it before anything is applied on top.",
        )


def read(
    connection: connections.Connection, version_table: str = "alembic_version", schema: str | None = None
) -> tuple[str, ...] | None:
    """Returns the version rows, sorted; None when the table does not exist. Reads only.

    Args:
        connection: to the target.
        version_table: its name.
        schema: where it lies; None leaves it to the search_path.

    Raises:
        errors.QueryFailed: the table cannot be read (rights, or no column ``version_num``).
    """
    name = sql.Identifier(schema, version_table) if schema else sql.Identifier(version_table)
    found = connections.scalar(connection, "SELECT to_regclass(%(name)s)", {"name": name.as_string(connection)})
    if found is None:
        return None
    query = sql.SQL(statements.load(__package__, "version_rows.sql")).format(table=name)
    return tuple(row["version_num"] for row in connections.rows(connection, query))


def classify(revisions: Sequence[graph.Revision], rows: Sequence[str] | None, *, tables: Sequence[str] = ()) -> State:
    """Returns what version rows mean for a project.

    Args:
        revisions: of the project.
        rows: the version rows; None when there is no version table.
        tables: "schema.table" of each that is the user's: neither Alembic's nor Alembook's.
    """
    known = {revision.id for revision in revisions}
    found = tuple(rows or ())
    unknown = [row for row in found if row not in known]
    if unknown:
        return _unknown(unknown, found)
    inner = [row for row in found if any(row in graph.ancestors(revisions, [other]) for other in found if other != row)]
    if inner:
        return _overlapping(inner, found)
    if not found:
        what = "There is no version table" if rows is None else "The version table is empty"
        if tables:
            return _unstamped(what, tables)
        return State(kind=Kind.EMPTY, rows=found, message=f"{what}: no revision is applied.")
    left = len(known) - len(graph.ancestors(revisions, found))
    if left:
        message = f"The database is at {', '.join(found)}: {left} of {len(known)} revisions are not applied."
        return State(kind=Kind.BEHIND, rows=found, message=message)
    message = f"The database is at {', '.join(found)}: all {len(known)} revisions are applied."
    return State(kind=Kind.AT_HEAD, rows=found, message=message)


def _unstamped(what: str, tables: Sequence[str]) -> State:
    more = f" and {len(tables) - _NAMED} more" if len(tables) > _NAMED else ""
    return State(
        kind=Kind.UNSTAMPED,
        rows=(),
        message=f"{what}, and there are {len(tables)} tables: {', '.join(tables[:_NAMED])}{more}.",
        next="Find out whose tables they are: the upgrade begins with the first revision.",
    )


def _unknown(unknown: Sequence[str], rows: tuple[str, ...]) -> State:
    return State(
        kind=Kind.UNKNOWN,
        rows=rows,
        message=f"The database is at {', '.join(unknown)}, which the project does not have.",
        next=(
            "Check out the code that has this revision (the database is ahead of this code, or the file was removed or "
            "renamed). Do not stamp it away: what that revision did is still in the database."
        ),
    )


def _overlapping(inner: Sequence[str], rows: tuple[str, ...]) -> State:
    return State(
        kind=Kind.OVERLAPPING,
        rows=rows,
        message=f"The version table has {len(rows)} rows, and {', '.join(inner)} is below another one of them.",
        next=(
            "Find out who wrote the row (a stamp, or two upgrades at once), make sure that both revisions are really "
            f"applied, and delete the lower row: {', '.join(inner)}."
        ),
    )
