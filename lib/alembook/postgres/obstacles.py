"""What the way back by restore needs: a copy beside the database, which is then put in its place. Reads only.

Asked in inspect, not when it is needed: rights, room, and what keeps a database where it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alembook.display.tables import size
from alembook.postgres import connection as connections
from alembook.postgres import disk, rights, statements
from alembook.postgres.rights import Lacking
from alembook.verdict import Check, Grade, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacles:
    """What stands in the way of putting another database in the place of one.

    Attributes:
        user: the role that asks.
        owner: of the database.
        may_create: the role may make databases.
        is_owner: it has the owner's rights.
        elsewhere: a database of the server from which this one can be renamed; None when there is none.
        endless: sessions that the role may not end.
        slots: logical replication slots: they stay with the database they were made in.
        prepared: transactions that were prepared in it.
        subscriptions: enabled ones: they would go on in the one that is put aside.
        unsettable: roles with settings in it that the role may not set.
        lacking: what the role could not give to a copy; None where it was asked from another database.
    """

    user: str
    owner: str
    may_create: bool
    is_owner: bool
    elsewhere: str | None
    endless: tuple[str, ...]
    slots: tuple[str, ...]
    prepared: tuple[str, ...]
    subscriptions: tuple[str, ...]
    unsettable: tuple[str, ...]
    lacking: Lacking | None = None


def read(connection: connections.Connection, name: str) -> Obstacles:
    """Returns what stands in the way of replacing a database of the connection's server.

    What the role could not give to a copy is only known from inside the database.

    Raises:
        errors.QueryFailed: the catalogue cannot be read.
    """
    row: dict[str, Any] = connections.rows(connection, statements.load(__package__, "obstacles.sql"), {"name": name})[0]
    lists = {key: tuple(value) for key, value in row.items() if isinstance(value, list)}
    is_there = connection.info.dbname == name
    return Obstacles(**{**row, **lists}, lacking=rights.lacking(connection) if is_there else None)


def checks(found: Obstacles, *, grade: Grade) -> list[Check]:
    """Returns what was found, each judged.

    Args:
        found: as ``read`` returns it.
        grade: must where the way back is asked for, else should.
    """
    return [*_rights(found, grade), *_in_the_way(found, grade)]


def in_the_way(found: Obstacles) -> list[Check]:
    """Returns what keeps the database where it is although nobody is in it any more: must checks that FAILED."""
    return [check for check in _keeping(found, Grade.MUST) if check.outcome is Outcome.FAILED]


def _rights(found: Obstacles, grade: Grade) -> list[Check]:
    return [
        _is(
            "a copy can be made beside the database",
            found.may_create,
            grade,
            expected="the right CREATEDB",
            found=f"{found.user} has it" if found.may_create else f"{found.user} has not",
            next=f"Have an administrator run: ALTER ROLE {found.user} CREATEDB.",
        ),
        _is(
            "the database can be renamed by its owner",
            found.is_owner and found.elsewhere is not None,
            grade,
            expected=f"the rights of {found.owner}, and another database to do it from",
            found=f"{found.user}, from {found.elsewhere or 'nowhere'}",
            next=f"GRANT {found.owner} TO {found.user}."
            if not found.is_owner
            else "Let the role connect to the database postgres.",
        ),
    ]


def _in_the_way(found: Obstacles, grade: Grade) -> list[Check]:
    return [
        _none(
            "every session in the database can be ended",
            found.endless,
            grade,
            next=f"GRANT pg_signal_backend TO {found.user}; a superuser's session only a superuser ends.",
        ),
        *_keeping(found, grade),
        _none(
            "settings of roles in it can be given to its copy",
            found.unsettable,
            grade,
            next="Only a superuser, or a role with CREATEROLE and ADMIN on these, may ALTER ROLE ... IN DATABASE.",
        ),
        *(_giving(found, found.lacking, grade) if found.lacking else []),
    ]


def _giving(found: Obstacles, lacking: Lacking, grade: Grade) -> list[Check]:
    """Returns what a copy could not have because the role may not give it."""
    settings = ", ".join(lacking.settings)
    return [
        _none(
            "what is in it can be given to its owners",
            [f"{owner}: {what}" for owner, what in lacking.owners.items()],
            grade,
            why="a copy is restored with its owners, and only who can SET ROLE to one gives something to it.",
            next=f"ALTER ... OWNER TO {found.user}; or GRANT the owner's role to it, unless that is a superuser's; "
            "or let a superuser roll back.",
        ),
        _none(
            "its extensions can be made in a copy",
            lacking.extensions,
            grade,
            why="only a superuser makes an extension that is not trusted.",
            next="Let a superuser roll back, or have its keeper mark the extension trusted (its control file).",
        ),
        _none(
            "its settings can be given to a copy",
            lacking.settings,
            grade,
            why="a superuser set them, and who may not set them cannot set them for the copy.",
            next=f"PostgreSQL 15 and newer: GRANT SET ON PARAMETER {settings} TO {found.user}; else let a superuser "
            "roll back.",
        ),
    ]


def _keeping(found: Obstacles, grade: Grade) -> list[Check]:
    """Returns what stays with a database whoever is connected to it."""
    return [
        _none(
            "no logical slot keeps the database where it is",
            found.slots,
            grade,
            why="a slot stays with the database it was made in, and the copy would have none.",
            next="Drop it before and make it anew after; its reader starts again with a copy of the tables.",
        ),
        _none(
            "nothing is prepared in it",
            found.prepared,
            grade,
            why="a prepared transaction outlives its session and would be committed into the database put aside.",
            next="COMMIT PREPARED or ROLLBACK PREPARED it.",
        ),
        _none(
            "no subscription goes on in it",
            found.subscriptions,
            grade,
            why="it would go on writing into the database that is put aside.",
            next="ALTER SUBSCRIPTION ... DISABLE before it is replaced; the copy has none.",
        ),
    ]


def room(connection: connections.Connection, *, grade: Grade) -> Check:
    """Returns whether the server has room for a second copy of the connection's database, as far as it can be known.

    Raises:
        errors.QueryFailed: the size cannot be asked.
    """
    needed = disk.database_bytes(connection)
    left, why = disk.of_server(connection)
    named = {"name": "the server has room for a copy beside the database", "expected": f"{size(needed)} or more"}
    if left is None:
        look = "Look at its disk yourself: the whole database must fit in once more."
        return Check(**named, grade=Grade.SHOULD, outcome=Outcome.UNVERIFIED, why=f"{why}.", next=look)
    is_enough = left >= needed
    return Check(
        **named,
        grade=grade,
        outcome=Outcome.PASSED if is_enough else Outcome.FAILED,
        found=size(left),
        next="" if is_enough else "Make room on the server's disk.",
    )


def _is(name: str, is_so: bool, grade: Grade, *, expected: str, found: str, next: str, why: str = "") -> Check:
    outcome = Outcome.PASSED if is_so else Outcome.FAILED
    told = {} if is_so else {"why": why, "next": next}
    return Check(name=name, grade=grade, outcome=outcome, expected=expected, found=found, **told)


def _none(name: str, found: Sequence[str], grade: Grade, *, next: str, why: str = "") -> Check:
    return _is(name, not found, grade, expected="none", found="; ".join(found) or "none", next=next, why=why)
