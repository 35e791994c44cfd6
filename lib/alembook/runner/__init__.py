"""Notebooks without a person: one headless, and a whole run of them in order."""

from __future__ import annotations

import sys

# jsonschema, which nbformat imports, builds a grammar of IRIs when this module is to be had (jupyterlab brings it).
# That takes two seconds of every start, and no notebook has an IRI to check: it is hidden while nbformat is imported.
_HIDDEN = "rfc3987_syntax"

if _HIDDEN not in sys.modules and "jsonschema" not in sys.modules:
    sys.modules[_HIDDEN] = None  # type: ignore[assignment]
    import nbformat  # noqa: F401

    del sys.modules[_HIDDEN]
