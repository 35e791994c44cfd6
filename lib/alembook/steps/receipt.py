"""What a step returns, and all that passes from one step to a later one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from alembook import display
from alembook.verdict import Check, Gate, Outcome, sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The frozen result of a step, as it stands in the run's folder.

    Attributes:
        step: inspect, backup, upgrade, backfill or verify.
        stage: number of the stage; 0 where a step has none.
        started_at, ended_at: UTC, ISO 8601.
        seconds: duration.
        checks: what was judged.
        facts: what was measured, JSON values only.
        path: the file; None before it is written.
    """

    step: str
    stage: int = 0
    started_at: str
    ended_at: str
    seconds: float
    checks: Sequence[Check]
    facts: Mapping[str, Any] = field(default_factory=dict)
    path: Path | None = None

    @classmethod
    def of(cls, receipt: Receipt, **frames: Any) -> Self:
        """Returns a step's own receipt: the written one with what its runbook shows beside it."""
        return cls(**{each.name: getattr(receipt, each.name) for each in fields(Receipt)}, **frames)

    @property
    def gate(self) -> Gate:
        """Returns the judgement over the checks."""
        return Gate(checks=tuple(self.checks))

    def to_json(self) -> dict[str, Any]:
        """Returns what is written into the run's folder."""
        record = {"step": self.step, "stage": self.stage, "outcome": self.gate.outcome.value}
        times = {"started_at": self.started_at, "ended_at": self.ended_at, "seconds": round(self.seconds, 3)}
        return {**record, **times, "checks": [asdict(check) for check in self.checks], **self.facts}

    def verdict(self) -> display.Html:
        """Returns the verdict in one line, for the top of a page."""
        closed = self.gate.closed_by
        checks = "1 check" if len(self.checks) == 1 else f"{len(self.checks)} checks"
        text = sentence(closed[0]).partition("  ")[2] if closed else checks
        return display.banner(self.gate.outcome, f"{self.step}: {text}")

    def judged(self) -> display.Html:
        """Returns the checks, failing ones first."""
        return display.checks(self.checks)

    def require(self) -> display.Html:
        """Returns the open gate; the next step may start.

        Raises:
            errors.CheckFailed, errors.CheckUnverified: the gate is closed.
        """
        self.gate.require(self.step)
        return display.banner(Outcome.PASSED, "the gate is open")

    def shown(self) -> display.Html:
        """Returns where the receipt lies and what it holds, for the end of a page."""
        simple = {k: v for k, v in self.facts.items() if isinstance(v, str | int | float | bool)}
        return display.facts({"receipt": self.path.name if self.path else "not written", **simple})
