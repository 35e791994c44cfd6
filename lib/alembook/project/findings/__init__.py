"""What a reviewer should know of each revision before it runs: read from its source, its SQL and the catalogue."""

from alembook.project.findings.finding import Finding
from alembook.project.findings.review import Review, Reviewed, review

__all__ = ["Finding", "Review", "Reviewed", "review"]
