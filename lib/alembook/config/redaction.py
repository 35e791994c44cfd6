"""Taking a password out of a text before it is kept: wherever it came from, the record does not hold it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from urllib.parse import quote

_HIDDEN = "***"
#: A shorter secret may be a common word: it is replaced only where a URL or a connection string has it.
_LEAST_LENGTH = 6
#: JSON in JSON in JSON: what a program prints, in an event or a cell's output, in a file of the record.
_NESTED = 3


@dataclass(frozen=True, slots=True)
class Redactor:
    """Replaces one secret, however it is written.

    Attributes:
        secret: the password; "" replaces nothing.
    """

    secret: str = ""

    def __repr__(self) -> str:
        """Returns a text without the secret."""
        return "Redactor(***)" if self.secret else "Redactor()"

    def clean(self, text: str) -> str:
        """Returns a text without the secret: plain, as a URL writes it, as JSON or Python write it in a string."""
        for form in self._forms():
            if len(self.secret) >= _LEAST_LENGTH:
                text = text.replace(form, _HIDDEN)
            else:
                text = re.sub(rf"(:|password=){re.escape(form)}(?=@|\s|'|\"|\\|$)", rf"\1{_HIDDEN}", text)
        return text

    def _forms(self) -> list[str]:
        """Returns the ways the secret may be written, the longest first."""
        if not self.secret:
            return []
        forms = {self.secret, quote(self.secret, safe=""), quote(self.secret), repr(self.secret)[1:-1]}
        for _ in range(_NESTED):
            forms |= {json.dumps(form, ensure_ascii=only)[1:-1] for form in forms for only in (True, False)}
        return sorted(forms, key=len, reverse=True)
