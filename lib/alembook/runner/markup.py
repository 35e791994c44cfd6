"""HTML of unknown origin made safe: a value may come from somebody's database and end in an auditor's browser."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path

import bleach  # type: ignore[import-untyped]
from bleach.css_sanitizer import CSSSanitizer  # type: ignore[import-untyped]
from bs4 import BeautifulSoup, Tag

from alembook.verdict import Outcome

_TAGS = frozenset(
    "a abbr b blockquote br caption code col colgroup dd details div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i "
    "img kbd li mark ol p pre s samp small span strong sub summary sup table tbody td tfoot th thead "
    "tr u ul var".split()
)
#: What goes with all it holds; any other unknown element only loses its tags.
_DROPPED = [
    "script",
    "style",
    "iframe",
    "object",
    "embed",
    "template",
    "noscript",
    "form",
    "svg",
    "math",
    "link",
    "meta",
]
_ANYWHERE = frozenset({"class", "title", "style"})
_OF_TAG = {
    "a": frozenset({"href"}),
    "img": frozenset({"src", "alt", "width", "height"}),
    "td": frozenset({"colspan", "rowspan"}),
    "th": frozenset({"colspan", "rowspan", "scope"}),
    "ol": frozenset({"start"}),
}
_STYLES = CSSSanitizer(
    allowed_css_properties=["text-align", "font-weight", "font-style", "white-space", "width", "min-width"],
    allowed_svg_properties=[],
)
# With "http" bleach lets a relative address pass; an absolute one never comes that far, see _is_allowed.
_PROTOCOLS = ["data", "http"]
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*")
_OUTCOMES = set(Outcome)
_ELSEWHERE = re.compile(r"\s*(?:[A-Za-z][A-Za-z0-9+.-]*:|/|\\)")


def _is_allowed(tag: str, name: str, value: str) -> bool:
    if tag == "img" and name == "src":
        return _PICTURE.fullmatch(value) is not None
    if tag == "a" and name == "href":
        return _ELSEWHERE.match(value) is None
    return name in _ANYWHERE or name in _OF_TAG.get(tag, ())


def ticked(text: str) -> str:
    """Returns plain text as HTML, with what stands between backticks set as code."""
    pieces = html.escape(text).split("`")
    if len(pieces) % 2 == 0:
        return "`".join(pieces)
    return "".join(f"<code>{piece}</code>" if place % 2 else piece for place, piece in enumerate(pieces))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaner:
    """Makes HTML safe for a page in one folder.

    Attributes:
        folder: where the page goes; a link to a notebook there becomes a link to its page, one to nothing becomes text.
    """

    folder: Path

    def clean(self, text: str) -> str:
        """Returns the HTML with only what shows: no script, no handler, nothing loaded, no link out of the archive.

        The address of a link to the world outside is kept as text behind its words.
        """
        soup = BeautifulSoup(text, "html.parser")
        for element in soup.find_all(_DROPPED):
            element.decompose()
        for element in soup.find_all("a"):
            self._settle(element)
        for cell in soup.find_all("td"):
            if cell.get_text() in _OUTCOMES:
                cell["class"] = f"outcome {cell.get_text().lower()}"
        cleaned = bleach.clean(
            str(soup), tags=_TAGS, attributes=_is_allowed, protocols=_PROTOCOLS, css_sanitizer=_STYLES, strip=True
        )
        return str(cleaned)

    def _settle(self, link: Tag) -> None:
        address = str(link.get("href", ""))
        if address.startswith("#"):
            return
        if _ELSEWHERE.match(address):
            if link.get_text() != address:
                link.append(f" ({address})")
            link.unwrap()
            return
        page = re.sub(r"\.ipynb$", ".html", address)
        if ".." not in Path(page).parts and (self.folder / page).is_file():
            link["href"] = page
        else:
            link.unwrap()
