"""What is said of each kind of finding: lock, why, the safe way. Facts measured on PostgreSQL 15 to 18."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from alembook.project.findings.finding import ACCESS_EXCLUSIVE, NONE, ROW_EXCLUSIVE, SHARE, SHARE_ROW_EXCLUSIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """The text of a kind of finding."""

    lock: str
    why: str
    next: str


def _of(lock: str, why: str, next: str) -> Advice:
    return Advice(lock=lock, why=why, next=next)


ADVICE: Mapping[str, Advice] = {
    "drop-table": _of(
        ACCESS_EXCLUSIVE,
        "its rows are gone, and an application that still names it fails.",
        "Deploy the application that no longer uses it first; keep the backup of this run.",
    ),
    "drop-column": _of(
        ACCESS_EXCLUSIVE,
        "its values are gone; an application that still names it, or selects every column of its model, fails.",
        "Deploy the application that no longer maps it first, then drop it in a revision of its own.",
    ),
    "rename": _of(
        ACCESS_EXCLUSIVE,
        "the application of yesterday asks for the old name from the instant of the commit.",
        "Add the new one, write both, move the rows, then drop the old one; or keep a view of the old name.",
    ),
    "type-narrows": _of(
        ACCESS_EXCLUSIVE,
        "every row is checked while nobody reads or writes; one that does not fit makes it fail, numbers are rounded.",
        "Correct the rows first; or add a new column, fill it in batches, and switch.",
    ),
    "type-rewrites": _of(
        ACCESS_EXCLUSIVE,
        "table and indexes are written anew while nobody reads or writes.",
        "Add a new column, fill it in batches (a backfill), switch the application, drop the old one.",
    ),
    "not-null": _of(
        ACCESS_EXCLUSIVE,
        "every row is read while nobody reads or writes; a row without a value makes it fail.",
        "ADD CONSTRAINT ... CHECK (column IS NOT NULL) NOT VALID, VALIDATE it in another revision, then SET NOT NULL.",
    ),
    "required-column": _of(
        ACCESS_EXCLUSIVE,
        "a row that is there has no value for it, so the statement fails; the old application's inserts fail too.",
        "Add it nullable or with a server_default, fill it, then make it NOT NULL.",
    ),
    "volatile-default": _of(
        ACCESS_EXCLUSIVE,
        "each row needs a value of its own, so the table is written anew while nobody reads or writes.",
        "Add the column without a default, set the default, fill old rows in batches (a backfill).",
    ),
    "stored-column": _of(
        ACCESS_EXCLUSIVE,
        "identity, serial and stored generated columns write the table anew while nobody reads or writes.",
        "Add a plain column, fill it in batches, then attach the sequence or a trigger.",
    ),
    "plain-index": _of(
        SHARE,
        "the whole table is read while nobody writes.",
        "postgresql_concurrently=True inside `with op.get_context().autocommit_block():`, in a revision of its own.",
    ),
    "concurrently-in-transaction": _of(
        NONE,
        "CREATE INDEX CONCURRENTLY cannot run inside a transaction block, and each revision is one.",
        "Put it into `with op.get_context().autocommit_block():`.",
    ),
    "keeps-invalid-index": _of(
        NONE,
        "after a build that failed, IF NOT EXISTS finds the invalid index, skips, and calls it done.",
        "Leave if_not_exists out; drop an invalid index by name first.",
    ),
    "foreign-key": _of(
        SHARE_ROW_EXCLUSIVE,
        "every row is compared while nobody writes to either table.",
        "postgresql_not_valid=True here, then ALTER TABLE ... VALIDATE CONSTRAINT in another revision.",
    ),
    "references": _of(
        SHARE_ROW_EXCLUSIVE,
        "a foreign key of a new table or column stops writes to the table it points at until the commit.",
        "Keep such a revision short: nothing slow in the same one.",
    ),
    "check": _of(
        ACCESS_EXCLUSIVE,
        "every row is checked while nobody reads or writes.",
        "Add it NOT VALID, then VALIDATE CONSTRAINT in another revision.",
    ),
    "unique": _of(
        ACCESS_EXCLUSIVE,
        "its index is built while nobody reads or writes, and one duplicate makes it fail.",
        "CREATE UNIQUE INDEX CONCURRENTLY first, then ADD CONSTRAINT ... USING INDEX.",
    ),
    "data-change": _of(
        ROW_EXCLUSIVE,
        "rows change inside a revision: in the same transaction as its locks, and nobody counts them beforehand.",
        "Move it to a backfill beside the versions: batches that commit, a progress, a check.",
    ),
    "unbatched": _of(
        ROW_EXCLUSIVE,
        "one statement over the whole table: a long transaction, bloat, and every changed row locked to its end.",
        "Move it to a backfill: the same statement over ranges of keys, each with its own commit.",
    ),
    "truncate": _of(
        ACCESS_EXCLUSIVE,
        "its rows are gone, and no count of deleted rows says so.",
        "Keep the backup of this run; say in the docstring why nobody needs them.",
    ),
    "code-block": _of(
        NONE,
        "a DO block decides on the server what it does; no reviewer and no linter sees it from outside.",
        "Read it; move changes of rows to a backfill.",
    ),
    "enum-value": _of(
        NONE,
        "the new value cannot be used in the transaction that adds it, and it cannot be taken back.",
        "Add it in a revision of its own, before the one that uses it.",
    ),
    "many-tables": _of(
        ACCESS_EXCLUSIVE,
        "the locks of all of them are kept to the commit; readers that take them in another order deadlock (40P01).",
        "One table in a revision; several short revisions.",
    ),
    "many-operations": _of(
        NONE,
        "the first lock is kept until the last operation is done, and a failure repeats all of them.",
        "Cut it into several revisions.",
    ),
    "no-way-back": _of(
        NONE,
        "its downgrade does nothing: `alembic downgrade` would move the version and leave the schema.",
        "Write the downgrade, or raise NotImplementedError in it; the way back is the backup of this run.",
    ),
    "lossy-downgrade": _of(
        NONE,
        "its downgrade drops what the upgrade made, with every value written there since.",
        "Say in the docstring what is lost; take a backup before going back.",
    ),
    "no-docstring": _of(
        NONE,
        "nobody who meets it in an incident learns what it is for.",
        "Begin the file with a sentence: what it does, and what its downgrade loses.",
    ),
    "long-id": _of(
        NONE,
        "the id does not fit into the version column, so its row cannot be written after everything else is done.",
        "Widen the version column, or give the revision a shorter id (and correct what revises it).",
    ),
    "skips-offline": _of(
        NONE,
        "it asks is_offline_mode: the SQL that is shown for review is not all that will run.",
        "Review its source, not its SQL; look at the statements a rehearsal really executed.",
    ),
}
