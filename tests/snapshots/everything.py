"""A table of every built-in type, and types of a user's own, with values that have tempted verifiers."""

from __future__ import annotations

#: type -> texts that are read as values of it. Not xml: the embedded servers are built without libxml.
VALUES = {
    "bool": ["true", "false"],
    "int2": ["0", "-32768"],
    "int4": ["0", "2147483647"],
    "int8": ["0", "-9223372036854775808"],
    "float4": ["0", "-0", "0.1", "NaN", "Infinity"],
    "float8": ["0", "-0", "0.1", "NaN", "-Infinity"],
    "numeric": ["0", "1.0", "1.00", "NaN", "Infinity"],
    "money": ["1.00", "-1234567.89"],
    "text": ["", " ", "a", "a ", "ä", "NULL"],
    "varchar(20)": ["", "a", "a "],
    "char(5)": ["", "a", "a  "],
    "name": ["a"],
    '"char"': ["a"],
    "bytea": [r"\x", r"\x00ff"],
    "date": ["2026-11-22", "infinity", "0044-03-15 BC"],
    "time": ["12:00", "24:00"],
    "timetz": ["12:00+00", "13:00+01"],
    "timestamp": ["2026-11-22 12:00:00.123456", "infinity", "-infinity"],
    "timestamptz": ["2026-11-22 12:00:00.123456+02", "infinity"],
    "interval": ["1 day", "24 hours", "-1 mon 2 days"],
    "uuid": ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"],
    "json": ['{"a": 1}', '{"a":1}', "null"],
    "jsonb": ['{"a": 1.0}', "null", "[]"],
    "inet": ["10.0.0.1", "10.0.0.1/24", "::1"],
    "cidr": ["10.0.0.0/8"],
    "macaddr": ["08:00:2b:01:02:03"],
    "macaddr8": ["08:00:2b:01:02:03:04:05"],
    "bit(3)": ["101"],
    "varbit": ["", "1010"],
    "point": ["(1,2)", "(0.1,0.2)"],
    "line": ["{1,2,3}"],
    "lseg": ["[(0,0),(1,1)]"],
    "box": ["(1,1),(0,0)", "(2,2),(1,1)"],
    "path": ["((0,0),(1,1))", "[(0,0),(1,1)]"],
    "polygon": ["((0,0),(1,1),(1,0))"],
    "circle": ["<(0,0),1>"],
    "tsvector": ["a:1 b:2"],
    "tsquery": ["a & b"],
    "int4range": ["empty", "[1,3)", "(,)"],
    "tstzrange": ["[2026-01-01 00:00+00,)"],
    "nummultirange": ["{}", "{[1,2),[3,4)}"],
    "int4[]": ["{}", "{1,NULL,3}", "{{1,2},{3,4}}"],
    "text[]": ["{}", '{a,"",NULL}'],
    "json[]": ['{"{\\"a\\": 1}"}'],
    "regclass": ["pg_class"],
    "oid": ["0", "4294967295"],
    "pg_lsn": ["16/B374D848"],
    "pg_snapshot": ["10:20:10,14,15"],
    "xid8": ["42"],
    "jsonpath": ["$.a"],
    "mood": ["glad", "sad"],
    "mood[]": ["{glad,sad}"],
    "pair": ["(1,glad)"],
    "year": ["2026"],
    "moods_of_year": ["{glad}"],
    "span": ["[1,2)"],
}
TYPES = """
    CREATE TYPE mood AS ENUM ('sad', 'glad');
    CREATE TYPE pair AS (number int, mood mood);
    CREATE DOMAIN year AS int CHECK (VALUE > 0);
    CREATE DOMAIN moods_of_year AS mood[];
    CREATE TYPE span AS RANGE (subtype = float8);
"""


def columns() -> list[str]:
    """Returns the name of each type's column."""
    return [f"c{number}" for number in range(len(VALUES))]


def script(rows: int = 12) -> str:
    """Returns the statements that make the types and the table ``everything``; every seventh value is NULL."""
    named = ", ".join(f"{name} {kind}" for name, kind in zip(columns(), VALUES, strict=True))
    filled = ", ".join(
        f"CASE WHEN (i + {number}) % 7 <> 0 THEN ({_array(texts)})[1 + i % {len(texts)}]::{kind} END"
        for number, (kind, texts) in enumerate(VALUES.items())
    )
    return (
        f"{TYPES} CREATE TABLE everything (id int PRIMARY KEY, {named});"
        f"INSERT INTO everything SELECT i, {filled} FROM generate_series(1, {rows}) AS i"
    )


def _array(texts: list[str]) -> str:
    quoted = ", ".join("'" + text.replace("'", "''") + "'" for text in texts)
    return f"ARRAY[{quoted}]::text[]"
