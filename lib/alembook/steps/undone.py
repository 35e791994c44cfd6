"""What others did to the schema since the backup: a restore takes it back too, and nobody must be surprised by that."""

from __future__ import annotations

from alembook.postgres import connection as connections
from alembook.postgres.fingerprint import Difference
from alembook.steps import drift, whole
from alembook.steps.losses import Loss
from alembook.steps.rolled import Rolled
from alembook.steps.runbook import Book

#: What such a loss is called where a table's name stands, as for a downgrade.
SCHEMA = "schema"


def by_others(book: Book, taken: Rolled, backup: whole.Whole) -> list[Loss]:
    """Returns the objects that others made, changed or dropped since the backup; whole tables are counted elsewhere.

    Args:
        book: of the rollback.
        taken: the run that is taken back: what it changed itself is no loss.
        backup: what its backup was made of.
    """
    noted = drift.recorded(taken.book.folder)
    with connections.closing(book.connect()) as connection:
        now = drift.read(book, connection)
    found = [each.what for each in drift.judge(noted, now).changes if each.by == "others"]
    if noted:
        found += backup.fingerprint.differences(noted[0].schema)
    found = [each for each in found if not _is_ours(each, book.target.ledger)]
    objects = {(each.kind, each.name): each for each in drift.wholes(found) if not _is_whole_table(each)}
    return [
        Loss(table=SCHEMA, by="others", what=f"{kind} {name}: {_fate(what)}", needs_a_word=True)
        for (kind, name), what in sorted(objects.items())
    ]


def _is_ours(what: Difference, ledger: str | None) -> bool:
    return ledger is not None and (what.name == ledger or what.name.startswith(f"{ledger}."))


def _is_whole_table(what: Difference) -> bool:
    return what.kind == "table" and None in {what.before, what.after}


def _fate(what: Difference) -> str:
    if what.before is None:
        return "made after the backup; it stays in the database that is kept"
    if what.after is None:
        return "dropped after the backup, it comes back"
    return "changed after the backup, it gets its old form"
