"""Which tables a run itself worked on: told from the statements in its record and from its backfills.

A name counts when it stands in a statement as a word. That errs on one side only: a table taken for touched is judged
more strictly.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from alembook.backfills import SQL, declaration
from alembook.steps.runbook import Book

_WORD = re.compile(r"\w+")


def words(book: Book) -> set[str]:
    """Returns every word of the statements the run executed, and of the backfills its plan has."""
    texts = [path.read_text(encoding="utf-8") for path in (book.folder.path / "sql").glob("*.sql")]
    plan = book.plan()
    used = {name for stage in plan.stages for name in stage.backfills}
    for each in declaration.load(book.target.folder / plan.script_folder / "backfills"):
        if each.name in used:
            texts += [each.table, *(each.apply.statements if isinstance(each.apply, SQL) else ())]
    return {word for text in texts for word in _WORD.findall(text)}


def untouched(book: Book, tables: Collection[str]) -> set[str]:
    """Returns those of the tables ("schema.table") whose name stands in no statement of the run."""
    said = words(book)
    return {name for name in tables if not set(_WORD.findall(name.partition(".")[2])) <= said}
