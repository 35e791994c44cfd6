"""How a column enters a checksum: the published table type -> expression (docs/verification.md).

PostgreSQL's own extended hash functions are taken where they see what IS NOT DISTINCT FROM sees and give one answer on
every server of a version: numbers, texts, times, uuid, bytea, jsonb, addresses, ranges, arrays of these, domains over
these. All other types enter by their text: enums, reg* and composites hash an oid, which a dump and restore changes;
json, xml, bit, money, tsvector and the geometric types have no hash at all; an extension's type may be anything.

``hash_record_extended(ROW(c), seed)`` of one column is the column's own extended hash, so the fast form and the general
one give the same number; NULL adds nothing to a sum in either (it is counted instead).
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg2 import sql

#: Built-in types hashed as they are -> what their values mean. Values of one meaning hash alike, so a column that
#: changed its type within a meaning is compared all the same (int -> bigint, varchar -> text).
NATIVE = {
    "bool": "bool",
    "int2": "integer",
    "int4": "integer",
    "int8": "integer",
    "oid": "oid",
    "float4": "float",
    "float8": "float",
    "numeric": "numeric",
    "text": "text",
    "varchar": "text",
    "bpchar": "text",
    "name": "text",
    "char": "char",
    "bytea": "bytea",
    "date": "date",
    "time": "time",
    "timetz": "timetz",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
    "interval": "interval",
    "uuid": "uuid",
    "jsonb": "jsonb",
    "inet": "inet",
    "cidr": "cidr",
    "macaddr": "macaddr",
    "macaddr8": "macaddr8",
    "pg_lsn": "pg_lsn",
    **{name: name for name in ("int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange")},
    **{f"{name}multirange": f"{name}multirange" for name in ("int4", "int8", "num", "ts", "tstz", "date")},
}
#: Types that enter by their text and mean no more than it: an enum, a json or an xml may become a text, and back.
_PLAIN_TEXT = {"json", "xml"}
#: The type's own function, where calling it is cheaper than hashing a record of one column.
_FAST = {
    "bool": "pg_catalog.hashint4extended({column}::pg_catalog.int4, {seed})",
    "int2": "pg_catalog.hashint2extended({column}, {seed})",
    "int4": "pg_catalog.hashint4extended({column}, {seed})",
    "int8": "pg_catalog.hashint8extended({column}, {seed})",
    "float8": "pg_catalog.hashfloat8extended({column}, {seed})",
    "numeric": "pg_catalog.hash_numeric_extended({column}, {seed})",
    "text": 'pg_catalog.hashtextextended({column} COLLATE "C", {seed})',
    "varchar": 'pg_catalog.hashtextextended({column}::pg_catalog.text COLLATE "C", {seed})',
    "uuid": "pg_catalog.uuid_hash_extended({column}, {seed})",
    "timestamp": "pg_catalog.timestamp_hash_extended({column}, {seed})",
    "timestamptz": "pg_catalog.timestamp_hash_extended(({column} AT TIME ZONE 'UTC'), {seed})",
    "jsonb": "pg_catalog.jsonb_hash_extended({column}, {seed})",
}
_BY_TEXT = 'pg_catalog.hashtextextended({column}::pg_catalog.text COLLATE "C", {seed})'
_GENERAL = "pg_catalog.hash_record_extended(ROW({column}), {seed})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table.

    Attributes:
        type: as PostgreSQL writes it, for people.
        base: name of the type under its domains.
        meaning: columns of one meaning are comparable.
        by_text: enters by its text.
    """

    name: str
    type: str
    base: str
    meaning: str
    by_text: bool

    @classmethod
    def from_catalog(
        cls, *, name: str, shown: str, base: str, is_builtin: bool, kind: str, element: str | None, element_known: bool
    ) -> Column:
        """Returns the column a row of ``layout.sql`` stands for."""
        meaning = _native(base, is_builtin, element, element_known)
        if meaning:
            return cls(name=name, type=shown, base=base, meaning=meaning, by_text=False)
        plain = kind == "e" or (is_builtin and base in _PLAIN_TEXT)
        return cls(name=name, type=shown, base=base, meaning="text" if plain else f"text of {shown}", by_text=True)

    def value(self, reference: sql.Composable) -> sql.Composable:
        """Returns the expression that stands for the column in a record."""
        return sql.SQL("{}::pg_catalog.text").format(reference) if self.by_text else reference

    def hash(self, reference: sql.Composable, seed: sql.Composable) -> sql.Composable:
        """Returns the expression of the column's 64-bit hash; NULL or 0 where it is NULL."""
        form = _BY_TEXT if self.by_text else _FAST.get(self.base, _GENERAL)
        return sql.SQL(form).format(column=reference, seed=seed)


def _native(base: str, is_builtin: bool, element: str | None, element_known: bool) -> str:
    """Returns the meaning of a type that is hashed as it is, "" for one that is not."""
    if element is not None:
        return f"{NATIVE[element]}[]" if element_known and element in NATIVE else ""
    return NATIVE.get(base, "") if is_builtin else ""
