"""Taking a password out of a text before it is kept: wherever it came from, the record does not hold it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from urllib.parse import quote

_HIDDEN = "***"
#: A shorter secret may be a common word: it is replaced only where it stands as a password.
_LEAST_LENGTH = 6
#: So may one like this ("password", "postgres", "orders2024"): the name of a table, a column, a role, a folder. To
#: replace it there would break the record, which is read back and compared, and tell whoever knows the name the secret.
_WORD = re.compile(r"(?=.{1,20}\Z)[A-Za-z]?[a-z_]*[0-9]{0,4}")
#: Where a word stands as a password: before the @ of a URL, in a connection string, behind a name that says so.
_IN_USE = r"""((?<!:):|(?i:password|passwd|pwd)[\\\s]*[=:'"][=:'"\\\s]*){form}(?=@|\s|[,;)}}'"\\]|$)"""
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
        """Returns a text without the secret: plain, as a URL writes it, as JSON or Python write it in a string.

        A secret that is a word is replaced only where it stands as a password.
        """
        is_word = len(self.secret) < _LEAST_LENGTH or _WORD.fullmatch(self.secret)
        for form in self._forms():
            if is_word:
                text = re.sub(_IN_USE.format(form=re.escape(form)), rf"\1{_HIDDEN}", text)
            else:
                text = text.replace(form, _HIDDEN)
        return text

    def _forms(self) -> list[str]:
        """Returns the ways the secret may be written, the longest first."""
        if not self.secret:
            return []
        forms = {self.secret, quote(self.secret, safe=""), quote(self.secret), repr(self.secret)[1:-1]}
        for _ in range(_NESTED):
            forms |= {json.dumps(form, ensure_ascii=only)[1:-1] for form in forms for only in (True, False)}
        return sorted(forms, key=len, reverse=True)
