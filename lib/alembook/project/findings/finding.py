"""One finding, and the check it becomes."""

from __future__ import annotations

from dataclasses import dataclass

from alembook.verdict import Check, Grade, Outcome

ACCESS_EXCLUSIVE = "ACCESS EXCLUSIVE: nobody reads or writes"
SHARE = "SHARE: nobody writes"
SHARE_ROW_EXCLUSIVE = "SHARE ROW EXCLUSIVE: nobody writes"
ROW_EXCLUSIVE = "ROW EXCLUSIVE: the rows changed cannot be written by others"
NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something a reviewer should know of a revision.

    Attributes:
        revision: its id.
        rule: a short name, the same for the same kind of finding ("drop-column").
        operation: what the revision does, in one line.
        line: in the revision's file; 0 when it speaks of the whole revision.
        table: "table" or "schema.table", as the revision writes it; "" when it speaks of none.
        rows: what the server estimates; None when the table is not there, -1 when it was never analysed.
        size_bytes: with indexes and TOAST; None when the table is not there.
        lock: level and whom it stops; "none" without one.
        found: the evidence: what depends on it, how many rows do not fit.
        why: what happens.
        next: the safe way.
        query: the SQL that gave ``found``.
        grade: must only for what will surely fail.
    """

    revision: str
    rule: str
    operation: str
    line: int = 0
    table: str = ""
    rows: int | None = None
    size_bytes: int | None = None
    lock: str = NONE
    found: str = ""
    why: str
    next: str
    query: str = ""
    grade: Grade = Grade.SHOULD

    def check(self) -> Check:
        """Returns it as a check that FAILED, for the gate of inspect."""
        return Check(
            name=f"{self.rule} in {self.revision}" + (f", line {self.line}" if self.line else ""),
            grade=self.grade,
            outcome=Outcome.FAILED,
            subject=self.table or self.revision,
            found=f"{self.operation}; {self.found}" if self.found else self.operation,
            why=self.why,
            next=self.next,
            query=self.query,
        )
