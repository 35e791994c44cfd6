"""How a column enters a checksum: the published table type -> expression (docs/verification.md).

A type enters by PostgreSQL's own extended hash where that sees what IS NOT DISTINCT FROM sees. Not all do: the hash of
numeric leaves out the sign, takes NaN for infinity and only adds the weight to the digits' hash (so does that of jsonb:
those of 1 and 10000 differ in one bit, and sums over such hashes cancel out); that of a numeric or float 0 is its seed,
as if it were NULL; int8's folds 64 bits into 32; an array's leaves out its dimensions; those of enums, reg* and
composites are over oids, which a dump and restore changes; json, xml, bit, money, tsvector and the geometric types have
none. These enter by a corrected form or by their text.

``hash_record_extended(ROW(c), seed)`` of one column is the column's own extended hash, so a type's own function and the
general form give the same number; NULL adds nothing to a sum in either (it is counted instead).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

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
    "inet": "inet",
    "cidr": "cidr",
    "macaddr": "macaddr",
    "macaddr8": "macaddr8",
    "pg_lsn": "pg_lsn",
}
#: Types that enter by their text and mean no more than it: an enum, a json or an xml may become a text, and back.
_PLAIN_TEXT = {"json", "xml"}
#: Elements whose arrays have one text whatever their exact type.
_PLAIN_ELEMENTS = {"int2", "int4", "int8", "text", "varchar"}
#: The high half, which hashint8extended only folds in, goes into the seed: no two integers are alike.
_INTEGER = "pg_catalog.hashint8extended({column}::pg_catalog.int8, {seed} # ({column}::pg_catalog.int8 >> 32))"
#: The sign and NaN, which hash_numeric_extended leaves out, go into the seed; its result is hashed once more.
_NUMERIC = (
    "pg_catalog.hashint8extended(pg_catalog.hash_numeric_extended({column}, CASE WHEN {column} < 0 THEN ~({seed})"
    " WHEN {column} = 'NaN'::pg_catalog.numeric THEN {seed} # 2 ELSE {seed} END), {seed})"
)
_FLOAT = "pg_catalog.hashint8extended(pg_catalog.hashfloat8extended({column}::pg_catalog.float8, {seed}), {seed})"
#: Forms that correct a type's own hash, or are cheaper than hashing a record of one column.
_FORMS = {
    "bool": "pg_catalog.hashint4extended({column}::pg_catalog.int4, {seed})",
    "int2": _INTEGER,
    "int4": _INTEGER,
    "int8": _INTEGER,
    "float4": _FLOAT,
    "float8": _FLOAT,
    "numeric": _NUMERIC,
    "text": 'pg_catalog.hashtextextended({column} COLLATE "C", {seed})',
    "varchar": 'pg_catalog.hashtextextended({column}::pg_catalog.text COLLATE "C", {seed})',
    "uuid": "pg_catalog.uuid_hash_extended({column}, {seed})",
    "timestamp": "pg_catalog.timestamp_hash_extended({column}, {seed})",
    "timestamptz": "pg_catalog.timestamp_hash_extended(({column} AT TIME ZONE 'UTC'), {seed})",
}
#: What PostgreSQL 18 offers besides, with the same number and without a conversion.
_OWN_FORMS = {"timestamptz": "pg_catalog.timestamptz_hash_extended({column}, {seed})"}
#: Types of which equal values may have different texts.
_TEXTS_DIFFER = {"numeric", "float4", "float8", "interval"}
_CORRECTED = {"int2", "int4", "int8", "float4", "float8", "numeric"}
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
        has_own_hash: this server hashes the type without a conversion; of two servers' columns it tells nothing apart.
    """

    name: str
    type: str
    base: str
    meaning: str
    by_text: bool
    has_own_hash: bool = field(default=False, compare=False)

    @classmethod
    def from_catalog(
        cls,
        *,
        name: str,
        shown: str,
        base: str,
        is_builtin: bool,
        kind: str,
        element: str | None,
        element_known: bool,
        has_own_hash: bool,
    ) -> Column:
        """Returns the column a row of ``layout.sql`` stands for."""
        if element is not None:
            is_plain = element_known and element in _PLAIN_ELEMENTS
            meaning = f"{NATIVE[element]}[]" if is_plain else f"text of {base}"
            return cls(name=name, type=shown, base=base, meaning=meaning, by_text=True)
        if is_builtin and base in NATIVE:
            meaning = NATIVE[base]
            return cls(name=name, type=shown, base=base, meaning=meaning, by_text=False, has_own_hash=has_own_hash)
        plain = kind == "e" or (is_builtin and base in _PLAIN_TEXT)
        return cls(name=name, type=shown, base=base, meaning="text" if plain else f"text of {base}", by_text=True)

    def textual(self) -> Column:
        """Returns the column as it enters where textual equality is asked for."""
        if self.by_text or self.base not in _TEXTS_DIFFER:
            return self
        return replace(self, meaning=f"text of {self.base}", by_text=True)

    def value(self, reference: sql.Composable) -> sql.Composable:
        """Returns the expression that stands for the column in a record that is hashed as a whole."""
        if self.by_text:
            return sql.SQL("{}::pg_catalog.text").format(reference)
        return self.hash(reference, sql.SQL("0::pg_catalog.int8")) if self.base in _CORRECTED else reference

    def hash(self, reference: sql.Composable, seed: sql.Composable) -> sql.Composable:
        """Returns the expression of the column's 64-bit hash; NULL or 0 where it is NULL."""
        return sql.SQL(self.form).format(column=reference, seed=seed)

    @property
    def form(self) -> str:
        """Returns the hash's expression with {column} and {seed} to be filled in."""
        if self.by_text:
            return _BY_TEXT
        own = _OWN_FORMS.get(self.base) if self.has_own_hash else None
        return own or _FORMS.get(self.base, _GENERAL)
