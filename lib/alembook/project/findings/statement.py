"""Reading SQL well enough to say what it does to which table. What is not understood is said to be "sql"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from alembook.project.findings.operation import Operation

_PIECE = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|(?P<tag>\$\w*\$).*?(?P=tag)|;|[^;'\"$/-]+|.", re.DOTALL
)
_NAME = r'(?P<table>(?:"[^"]+"|\w+)(?:\s*\.\s*(?:"[^"]+"|\w+))?)'
_COLUMN = r'(?P<column>"[^"]+"|\w+)'
_ALTER = rf"ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?{_NAME}\s+"
_ALTER_ANY = re.compile(_ALTER, re.IGNORECASE)
_NO_COLUMN = r"(?!(?:CONSTRAINT|UNIQUE|PRIMARY|FOREIGN|CHECK|EXCLUDE|VALUE|EXPRESSION)\b)"
_INDEX = r"(?P<concurrently>CONCURRENTLY\s+)?(?P<if_not_exists>IF\s+NOT\s+EXISTS\s+)?"

#: (kind, pattern) of a whole statement's beginning; the first that matches counts. PostgreSQL manual, SQL commands.
_KINDS = tuple(
    (kind, re.compile(pattern, re.IGNORECASE | re.DOTALL))
    for kind, pattern in (
        ("drop_column", _ALTER + rf"DROP\s+(?:COLUMN\s+)?{_NO_COLUMN}(?:IF\s+EXISTS\s+)?{_COLUMN}"),
        ("alter_column", _ALTER + rf"ALTER\s+(?:COLUMN\s+)?{_COLUMN}\s+(?:SET\s+DATA\s+)?TYPE\s+(?P<type>.+)"),
        ("alter_column", _ALTER + rf"ALTER\s+(?:COLUMN\s+)?{_COLUMN}\s+SET\s+(?P<not_null>NOT\s+NULL)"),
        ("rename", _ALTER + r"RENAME\b"),
        (
            "create_foreign_key",
            _ALTER + r"ADD\s+(?:CONSTRAINT\s+\S+\s+)?FOREIGN\s+KEY\b.*?REFERENCES\s+(?P<referent>\S+)",
        ),
        ("create_check_constraint", _ALTER + r"ADD\s+(?:CONSTRAINT\s+\S+\s+)?CHECK\b"),
        ("create_unique_constraint", _ALTER + r"ADD\s+(?:CONSTRAINT\s+\S+\s+)?(?:UNIQUE|PRIMARY\s+KEY)\s*\("),
        ("drop_constraint", _ALTER + r"DROP\s+CONSTRAINT\b"),
        ("add_column", _ALTER + rf"ADD\s+(?:COLUMN\s+)?{_NO_COLUMN}(?:IF\s+NOT\s+EXISTS\s+)?{_COLUMN}\s+(?P<rest>.+)"),
        ("alter_table", _ALTER),
        ("drop_table", rf"DROP\s+TABLE\s+(?:IF\s+EXISTS\s+)?{_NAME}"),
        ("create_table", rf"CREATE\s+(?:UNLOGGED\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}"),
        ("create_index", rf'CREATE\s+(?:UNIQUE\s+)?INDEX\s+{_INDEX}(?:"[^"]+"|[\w.]+)?\s*ON\s+(?:ONLY\s+)?{_NAME}'),
        ("truncate", rf"TRUNCATE\s+(?:TABLE\s+)?(?:ONLY\s+)?{_NAME}"),
        ("enum_value", r"ALTER\s+TYPE\s+\S+\s+ADD\s+VALUE\b"),
        ("do", r"DO\s"),
        ("update", rf"UPDATE\s+(?:ONLY\s+)?{_NAME}"),
        ("delete", rf"DELETE\s+FROM\s+(?:ONLY\s+)?{_NAME}"),
        ("insert", rf"INSERT\s+INTO\s+{_NAME}"),
        ("insert", rf"(?:COPY)\s+{_NAME}"),
    )
)
_IN_WITH = re.compile(rf"\b(?P<kind>UPDATE|DELETE\s+FROM|INSERT\s+INTO)\s+(?:ONLY\s+)?{_NAME}", re.IGNORECASE)
_BATCHED = re.compile(r"\bLIMIT\b|\bctid\b|\bBETWEEN\b|\bid\s*[<>]=?\s*[:%$]", re.IGNORECASE)
_DEFAULT = re.compile(
    r"\bDEFAULT\s+(?P<default>.+?)(?=\s+(?:NOT\s+NULL|NULL|CONSTRAINT|CHECK|REFERENCES|UNIQUE)\b|$)", re.I
)
_NOT_NULL = re.compile(r"\bNOT\s+NULL\b|\bPRIMARY\s+KEY\b", re.IGNORECASE)


def split(text: str) -> Iterator[tuple[int, int, str]]:
    """Yields first line, last line (from 1) and text of each statement, without comments; what is quoted is not cut."""
    found, first, line = "", 1, 1
    for piece in _PIECE.finditer(text + ";"):
        part = piece[0]
        if part == ";":
            if found.strip():
                yield first, line, found.strip()
            found = ""
        elif not part.startswith(("--", "/*")):
            if not found.strip() and part.strip():
                first = line + part[: len(part) - len(part.lstrip())].count("\n")
            found += part
        line += part.count("\n")


def operations(text: str, line: int, traits: frozenset[str] = frozenset()) -> Iterator[Operation]:
    """Yields what the statements of a text do; an ALTER TABLE with several actions gives one for each."""
    for _, _, statement in split(text):
        for action in actions(statement):
            yield _operation(action, line, traits)


def actions(statement: str) -> list[str]:
    """Returns an ALTER TABLE cut into statements of one action each; any other statement as it is."""
    begin = _ALTER_ANY.match(statement)
    return [statement] if begin is None else [begin[0] + part for part in cut(statement[begin.end() :])]


def altered(action: str) -> tuple[str, str]:
    """Returns the table of an ALTER TABLE, as it is written, and what follows it; ("", "") for another statement."""
    begin = _ALTER_ANY.match(action)
    return (begin["table"], action[begin.end() :].strip()) if begin else ("", "")


def cut(text: str) -> list[str]:
    """Returns a text cut at its commas; those inside parentheses and quotes are left alone."""
    parts, depth = [""], 0
    for part in _pieces(text):
        depth += (part == "(") - (part == ")")
        parts = [*parts, ""] if part == "," and not depth else [*parts[:-1], parts[-1] + part]
    return [part.strip() for part in parts if part.strip()]


def inside(text: str) -> tuple[str, str]:
    """Returns what stands in the first parentheses of a text, and what follows them; ("", text) where none are."""
    found, rest, depth, is_over = "", "", 0, False
    for part in _pieces(text):
        depth -= part == ")"
        is_over = is_over or (part == ")" and not depth)
        if depth and not is_over:
            found += part
        elif is_over:
            rest += part
        depth += part == "("
    return (found.strip(), rest[1:].strip()) if is_over else ("", text)


def _pieces(text: str) -> Iterator[str]:
    """Yields a text in pieces: what is quoted, parentheses and commas by themselves."""
    for piece in _PIECE.finditer(text):
        yield from re.split(r"([(),])", piece[0]) if piece[0][0] not in "'\"$" else [piece[0]]


def _operation(statement: str, line: int, given: frozenset[str]) -> Operation:
    for kind, pattern in _KINDS:
        found = pattern.match(statement)
        if found:
            return _read(kind, found.groupdict(), statement, line, given)
    if statement[:4].upper() == "WITH" and (inner := _IN_WITH.search(statement)):
        kind = inner["kind"].split()[0].lower()
        return _read(kind, inner.groupdict(), statement, line, given)
    return Operation(kind="sql", line=line, sql=statement, traits=given)


def _read(kind: str, found: dict[str, str | None], statement: str, line: int, given: frozenset[str]) -> Operation:
    rest = found.get("rest") or ""
    default = _DEFAULT.search(rest)
    referent = found.get("referent")
    kind, renames = ("alter_column", True) if kind == "rename" else (kind, False)
    return Operation(
        kind=kind,
        line=line,
        table=plain(found.get("table") or ""),
        column=plain(found.get("column") or ""),
        type=_type(found.get("type") or ""),
        is_nullable=False if found.get("not_null") or _NOT_NULL.search(rest) else None,
        default=default["default"].strip() if default else None,
        traits=given | _traits(found, statement, renames=renames),
        referents=(plain(referent.partition("(")[0]),) if referent else (),
        sql=statement,
    )


def _traits(found: dict[str, str | None], statement: str, *, renames: bool) -> set[str]:
    traits = {name for name in ("concurrently", "if_not_exists") if found.get(name)}
    words = {
        "not_valid": r"\bNOT\s+VALID\s*$",
        "where": r"\bWHERE\b",
        "using": r"\bTYPE\b.*\bUSING\b",
        "computed": r"\bGENERATED\s+ALWAYS\s+AS\s*\(.*\bSTORED\b",
        "identity": r"\bAS\s+IDENTITY\b|\b(?:big|small)?serial\b",
    }
    traits |= {name for name, pattern in words.items() if re.search(pattern, statement, re.IGNORECASE | re.DOTALL)}
    traits |= {"batched"} if _BATCHED.search(statement) else set()
    return traits | ({"renames"} if renames else set())


def _type(text: str) -> str:
    """Returns a type without its USING or COLLATE clause."""
    return " ".join(
        re.split(r"\bUSING\b|\bCOLLATE\b|,(?![^(]*\))", text, maxsplit=1, flags=re.IGNORECASE)[0].split()
    ).lower()


def plain(name: str) -> str:
    """Returns a name without quotes, folded as the server folds it."""
    parts = re.findall(r'"[^"]+"|\w+', name)
    return ".".join(part[1:-1] if part.startswith('"') else part.lower() for part in parts)
