"""Whether each revision can be committed by itself, judged before the first one: one revision, one commit."""

from __future__ import annotations

from collections.abc import Sequence

from alembook.verdict import Check, Outcome

_NAME = "each revision commits by itself"
_WHO = {
    "revision": "Alembic begins and commits a transaction for each",
    "external": "env.py begins and commits it, so it is run once for each",
    "autocommit": "no transaction: the connection commits every statement by itself",
}


def check(mode: str, leaving: Sequence[str]) -> Check:
    """Returns the check, a must.

    Args:
        mode: who ends transactions under the project's env.py, see ``Plan.mode``.
        leaving: pending revisions that leave their transaction (autocommit_block).
    """
    if mode == "autocommit":
        why = "a revision that fails would stay half applied."
        next_step = "Use a plain engine in env.py; single statements can leave the transaction with autocommit_block."
    elif mode == "external" and leaving:
        why = f"{', '.join(leaving)} must leave the transaction, and Alembic's autocommit_block cannot leave env.py's."
        next_step = "Remove connection.begin() (or any statement) before context.configure() in env.py."
    else:
        why = next_step = ""
    return Check(
        name=_NAME,
        outcome=Outcome.FAILED if why else Outcome.PASSED,
        expected="a transaction for each revision",
        found=_WHO.get(mode, mode),
        why=why,
        next=next_step,
    )
