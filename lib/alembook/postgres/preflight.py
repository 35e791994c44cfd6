"""What on the server would stop a run or be stopped by it, asked before anything is changed. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg2 import sql

from alembook.postgres import connection as connections
from alembook.postgres import statements
from alembook.verdict import Check, Grade, Outcome

#: A transaction older than this makes a revision wait for its locks, seconds.
LONG_S = 60
#: One that does nothing meanwhile, seconds.
IDLE_S = 10
#: The run's session, the kernel, its watch, the agent and what the agent's project opens, besides pg_dump's jobs.
CONNECTIONS = 8
_LISTED = 5


def checks(
    connection: connections.Connection,
    *,
    touched: Sequence[str],
    altered: Sequence[str],
    schemas: Sequence[str],
    dump_jobs: int,
) -> list[Check]:
    """Returns what was found, each judged.

    Args:
        connection: to the target, with the search_path of the project.
        touched: tables the plan names, "table" or "schema.table".
        altered: those whose structure it surely changes: their owner is needed.
        schemas: where the plan makes tables, and what it needs and lacks; "" = the first of the search_path.
        dump_jobs: connections pg_dump opens besides its first.

    Raises:
        errors.QueryFailed: the server does not say.
    """
    role = _rows(connection, "preflight_role.sql", {"schemas": list(schemas)})[0]
    tables = _rows(connection, "preflight_tables.sql", {"names": _quoted(connection, touched)})
    owned = _rows(connection, "preflight_tables.sql", {"names": _quoted(connection, altered)})
    hidden = _rows(connection, "preflight_hidden.sql")
    sessions = _rows(connection, "preflight_sessions.sql")
    slots = _rows(connection, "preflight_slots.sql")
    return [
        _may_write(role),
        _may_create(role),
        _owns(role, owned),
        _sees_rows(role, [row["table"] for row in hidden]),
        *_waits(sessions),
        _nothing_prepared(sessions),
        _no_dump(sessions),
        _no_wraparound(sessions, [row["table"] for row in tables]),
        _published(tables, slots),
        _partitioned(tables),
        _connections(role, dump_jobs),
    ]


def _rows(connection: connections.Connection, name: str, values: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    return connections.rows(connection, statements.load(__package__, name), values or {})


def _quoted(connection: connections.Connection, names: Iterable[str]) -> list[str]:
    return [sql.Identifier(*name.split(".", 1)).as_string(connection) for name in names if name]


def _judged(name: str, bad: Sequence[str], *, expected: str, why: str, next: str, grade: Grade = Grade.SHOULD) -> Check:
    """Returns a check that FAILED when something bad was found."""
    more = f" and {len(bad) - _LISTED} more" if len(bad) > _LISTED else ""
    return Check(
        name=name,
        grade=grade,
        outcome=Outcome.FAILED if bad else Outcome.PASSED,
        expected=expected,
        found="; ".join(bad[:_LISTED]) + more if bad else expected,
        why=why if bad else "",
        next=next if bad else "",
    )


def _may_write(role: dict[str, Any]) -> Check:
    ends = "; ".join(role["reads_only_by"]) or "it is set for the whole server, or by the reference"
    return _judged(
        "nobody has the role read only by default",
        ["default_transaction_read_only is on"] if role["reads_only"] else [],
        expected="yes",
        why="the sessions of a run set it off, so they write all the same; who set it may want nothing written.",
        next=f"Ask who set it. What ends it: {ends}.",
    )


def _may_create(role: dict[str, Any]) -> Check:
    denied = [f"schema {name}" for name in role["denied"]]
    if not role["may_create_schemas"]:
        denied += [f"schema {name}, which is not there" for name in role["missing"]]
    return _judged(
        "the role may create what the plan creates",
        denied,
        expected="yes",
        why=f"{role['user']} has no right CREATE there, so the first CREATE fails.",
        next=f"Have the owner run: GRANT CREATE ON SCHEMA ... TO {role['user']}; or run as the owner.",
        grade=Grade.MUST,
    )


def _owns(role: dict[str, Any], tables: Sequence[dict[str, Any]]) -> Check:
    return _judged(
        "the role owns what the plan alters",
        [f"{row['table']} belongs to {row['owner']}" for row in tables if not row["is_owner"]],
        expected="yes",
        why="only the owner may alter a table (PostgreSQL manual 5.8), whatever else was granted.",
        next=f"Run as the owner, or GRANT the owner's role TO {role['user']}.",
        grade=Grade.MUST,
    )


def _sees_rows(role: dict[str, Any], hidden: Sequence[str]) -> Check:
    return _judged(
        "no row is hidden from the role",
        hidden,
        expected="none",
        why="row-level security applies to it: an UPDATE changes nothing and succeeds, and pg_dump refuses the table.",
        next=f"Run as a role with BYPASSRLS: ALTER ROLE {role['user']} BYPASSRLS.",
        grade=Grade.MUST,
    )


def _who(row: dict[str, Any]) -> str:
    name = row["application"] or "no application name"
    return f"pid {row['pid']} ({name}, {row['user']}), {row['state']}, {row['seconds']:.0f} s"


def _waits(sessions: Sequence[dict[str, Any]]) -> list[Check]:
    open_ = [row for row in sessions if row["seconds"] is not None and row["task"] == ""]
    idle = [row for row in open_ if row["state"].startswith("idle in transaction") and row["seconds"] > IDLE_S]
    long = [row for row in open_ if row not in idle and row["seconds"] > LONG_S]
    hidden = sum(row["is_hidden"] for row in sessions)
    found = [
        _judged(
            f"no transaction is older than {LONG_S} s",
            [_who(row) for row in long],
            expected="none",
            why="a revision waits for its locks, CONCURRENTLY for its end, and everybody else behind them.",
            next="Wait for it, or ask whoever runs it to end it.",
        ),
        _judged(
            "no session idles in a transaction",
            [_who(row) for row in idle],
            expected="none",
            why="it keeps its locks and does nothing; nobody knows when it ends.",
            next="Close it where it runs, or SELECT pg_terminate_backend(pid).",
        ),
    ]
    return [_unseen(check, hidden) if hidden and check.outcome is Outcome.PASSED else check for check in found]


def _unseen(check: Check, hidden: int) -> Check:
    return Check(
        name=check.name,
        grade=check.grade,
        outcome=Outcome.UNVERIFIED,
        expected=check.expected,
        found=f"{hidden} sessions of other roles that this role is not shown",
        why="pg_stat_activity hides what other roles do.",
        next="GRANT pg_read_all_stats to the role.",
    )


def _nothing_prepared(sessions: Sequence[dict[str, Any]]) -> Check:
    return _judged(
        "no transaction is left prepared",
        [f"{row['subject']} of {row['user']}, {row['seconds']:.0f} s" for row in sessions if row["task"] == "prepared"],
        expected="none",
        why="it keeps its locks over restarts, and no session can be ended to release them.",
        next="COMMIT PREPARED or ROLLBACK PREPARED it, as its owner decides.",
    )


def _no_dump(sessions: Sequence[dict[str, Any]]) -> Check:
    return _judged(
        "no other pg_dump runs",
        [_who(row) for row in sessions if row["task"] == "pg_dump" and row["seconds"] is not None],
        expected="none",
        why="it keeps a lock on every table until it ends, so each ALTER TABLE waits for it.",
        next="Wait until it has ended.",
    )


def _no_wraparound(sessions: Sequence[dict[str, Any]], tables: Sequence[str]) -> Check:
    subjects = [row["subject"] for row in sessions if row["task"] == "wraparound"]
    return _judged(
        "no vacuum to prevent wraparound on what the plan touches",
        [text for text in subjects if any(table in text for table in tables)],
        expected="none",
        why="unlike any other autovacuum it does not give way to an ALTER TABLE.",
        next="Wait until it has ended.",
    )


def _published(tables: Sequence[dict[str, Any]], slots: Sequence[dict[str, Any]]) -> Check:
    published = [f"{row['table']} in {', '.join(row['publications'])}" for row in tables if row["publications"]]
    kept = [f"slot {row['slot']}{'' if row['active'] else ' (inactive)'}" for row in slots]
    return _judged(
        "nobody subscribes to what the plan touches",
        published + (kept if published else []),
        expected="none",
        why="changes of structure are not replicated: a subscriber stops at the first row it has no column for.",
        next="Bring the subscriber's tables forward first (what is added), or last (what is dropped).",
    )


def _partitioned(tables: Sequence[dict[str, Any]]) -> Check:
    return _judged(
        "no partitioned table is touched",
        [row["table"] for row in tables if row["is_partitioned"]],
        expected="none",
        why="a lock on the parent is one on every partition, and no index on it can be built CONCURRENTLY.",
        next="Build the index on each partition, then ATTACH it to the parent's.",
        grade=Grade.MAY,
    )


def _connections(role: dict[str, Any], dump_jobs: int) -> Check:
    needed = CONNECTIONS + dump_jobs
    left = [role[name] for name in ("left_on_server", "left_for_role", "left_in_database") if role[name] is not None]
    few = min(left) < needed
    return Check(
        name="connections are left",
        grade=Grade.SHOULD,
        outcome=Outcome.FAILED if few else Outcome.PASSED,
        expected=f"{needed} or more",
        found=str(min(left)),
        why="the run and pg_dump open their own; the application's would be refused instead of theirs." if few else "",
        next="Stop what is not needed, or lower backup.jobs." if few else "",
    )
