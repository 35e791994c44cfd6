"""What lies around the database and can stop a run: room on disk, and the standbys that follow. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alembook.display.tables import size
from alembook.postgres import connection as connections
from alembook.postgres import disk, statements
from alembook.verdict import Check, Grade, Outcome

#: WAL a standby may not have replayed yet, where its lag in seconds is not known: one segment.
BEHIND_BYTES = 16 * 1024 * 1024


def checks(connection: connections.Connection, *, backups: Path, rewritten_bytes: int, max_lag_s: int) -> list[Check]:
    """Returns what was found, each judged.

    Args:
        connection: to the target.
        backups: where the dump will be written.
        rewritten_bytes: size of the largest table the plan alters, with its indexes; a rewrite needs as much again.
        max_lag_s: what a standby may be behind, seconds.

    Raises:
        errors.QueryFailed: the server does not say.
    """
    standbys = connections.rows(connection, statements.load(__package__, "preflight_standbys.sql"))
    return [
        _for_the_dump(connection, backups),
        _on_the_server(connection, rewritten_bytes),
        _lag(standbys, max_lag_s),
        _waited_for(standbys),
    ]


def _for_the_dump(connection: connections.Connection, folder: Path) -> Check:
    needed, left = disk.database_bytes(connection), disk.free_bytes(folder)
    is_enough = left >= needed
    return Check(
        name="the disk has room for the dump",
        grade=Grade.SHOULD,
        outcome=Outcome.PASSED if is_enough else Outcome.FAILED,
        expected=f"{size(needed)} or more, the size of the database: a dump of it is rarely larger",
        found=size(left),
        why="" if is_enough else "a dump that fills the disk fails, and so does whatever else writes there.",
        next="" if is_enough else f"Make room on the disk of {folder.name}/, or point backup.directory elsewhere.",
    )


def _on_the_server(connection: connections.Connection, rewritten_bytes: int) -> Check:
    left, why = disk.of_server(connection)
    named = {"name": "the server has room for a rewrite", "expected": f"{size(2 * rewritten_bytes)} or more"}
    if left is None:
        look = "Look at its disk yourself: twice the largest table that is altered must be free."
        return Check(**named, grade=Grade.MAY, outcome=Outcome.UNVERIFIED, why=f"{why}.", next=look)
    is_enough = left >= 2 * rewritten_bytes
    return Check(
        **named,
        grade=Grade.SHOULD,
        outcome=Outcome.PASSED if is_enough else Outcome.FAILED,
        found=size(left),
        why="" if is_enough else "a rewrite writes table and indexes anew, and as much WAL, before the old ones go.",
        next="" if is_enough else "Make room on the server's disk.",
    )


def _lag(standbys: Sequence[dict[str, Any]], max_lag_s: int) -> Check:
    connected = [row for row in standbys if row["standby"] is not None]
    late = [row for row in connected if _is_late(row, max_lag_s)]
    hidden = [row for row in connected if row["is_hidden"]]
    outcome = Outcome.FAILED if late else Outcome.UNVERIFIED if hidden else Outcome.PASSED
    found = "; ".join(_standby(row) for row in late or connected) or "no standby is connected"
    why = {
        Outcome.FAILED: "what the run writes makes them later still, and whoever reads from them sees older rows.",
        Outcome.UNVERIFIED: "pg_stat_replication hides what other roles' sessions do.",
    }
    advice = {
        Outcome.FAILED: "Let them catch up first; see what they wait for (disk, a long query, a paused replay).",
        Outcome.UNVERIFIED: "GRANT pg_monitor to the role.",
    }
    return Check(
        name="standbys keep up",
        grade=Grade.SHOULD,
        outcome=outcome,
        expected=f"{max_lag_s} s, or a WAL segment, behind at most",
        found=found,
        why=why.get(outcome, ""),
        next=advice.get(outcome, ""),
    )


def _is_late(row: dict[str, Any], max_lag_s: int) -> bool:
    return (row["lag_s"] or 0) > max_lag_s or (row["behind_bytes"] or 0) > BEHIND_BYTES


def _standby(row: dict[str, Any]) -> str:
    if row["is_hidden"]:
        return f"{row['standby']}: not shown to this role"
    lag = f"{row['lag_s']:.1f} s, " if row["lag_s"] is not None else ""
    return f"{row['standby']}: {lag}{size(row['behind_bytes'] or 0)} behind"


def _waited_for(standbys: Sequence[dict[str, Any]]) -> Check:
    hangs = standbys[0]["waits_for_some"] and not any(row["is_waited_for"] for row in standbys)
    return Check(
        name="a commit waits for nobody who is gone",
        grade=Grade.SHOULD,
        outcome=Outcome.FAILED if hangs else Outcome.PASSED,
        expected="a synchronous standby where synchronous_standby_names asks for one",
        found="it asks for one, and none is connected" if hangs else "so it is",
        why="every commit waits for it, those of the run and those of the application." if hangs else "",
        next="Bring the standby back, or let the server's keeper change synchronous_standby_names." if hangs else "",
    )
