"""Lines of ``pg_restore --list``, as real dumps of PostgreSQL 18 and 16 have them."""

from __future__ import annotations

import pytest

from alembook.postgres import contents

#: Line -> kind, schema, name, owner.
LINES = {
    "8; 2615 16386 SCHEMA - sales postgres": ("SCHEMA", "", "sales", "postgres"),
    "2; 3079 16445 EXTENSION - vector ": ("EXTENSION", "", "vector", ""),
    "2877; 0 0 COMMENT - EXTENSION vector ": ("COMMENT", "", "EXTENSION vector", ""),
    "344; 1255 16427 FUNCTION sales f(integer, text) ann": ("FUNCTION", "sales", "f(integer, text)", "ann"),
    "225; 1259 16396 TABLE public a b postgres": ("TABLE", "public", "a b", "postgres"),
    "2865; 0 16396 TABLE DATA public orders ann": ("TABLE DATA", "public", "orders", "ann"),
    "232; 1259 16420 MATERIALIZED VIEW sales mv postgres": ("MATERIALIZED VIEW", "sales", "mv", "postgres"),
    "2867; 0 16420 MATERIALIZED VIEW DATA sales mv ann": ("MATERIALIZED VIEW DATA", "sales", "mv", "ann"),
    "2702; 1259 16414 INDEX sales part_k_idx postgres": ("INDEX", "sales", "part_k_idx", "postgres"),
    "2706; 0 0 INDEX ATTACH sales part1_k_idx ann": ("INDEX ATTACH", "sales", "part1_k_idx", "ann"),
    "2708; 2606 16403 FK CONSTRAINT public a a_fkey ann": ("FK CONSTRAINT", "public", "a a_fkey", "ann"),
    "2861; 6104 16440 PUBLICATION - pub postgres": ("PUBLICATION", "", "pub", "postgres"),
    "2862; 6106 1 PUBLICATION TABLE sales pub orders ann": ("PUBLICATION TABLE", "sales", "pub orders", "ann"),
    "2885; 0 0 STATISTICS DATA sales parent ": ("STATISTICS DATA", "sales", "parent", ""),
    "2707; 3381 16439 STATISTICS sales st postgres": ("STATISTICS", "sales", "st", "postgres"),
    "2870; 0 0 BLOBS - 16444 postgres": ("BLOBS", "", "16444", "postgres"),
    "2304; 826 1 DEFAULT ACL s DEFAULT PRIVILEGES x": ("DEFAULT ACL", "s", "DEFAULT PRIVILEGES", "x"),
}  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_taken_apart(line: str) -> None:
    """Kinds of one word and of several, names with spaces and arguments, entries without schema or owner."""
    (entry,) = contents.parse([line])
    assert (entry.kind, entry.schema, entry.name, entry.owner) == LINES[line]
    assert (entry.id, entry.oid, entry.line) == (int(line.partition(";")[0]), int(line.split(" ")[2]), line)


def test_a_schema_with_a_space_is_known_by_its_own_entry() -> None:
    """Only the entry of the schema itself tells where its name ends."""
    lines = ["8; 2615 16386 SCHEMA - my schema ann", "9; 0 16396 TABLE DATA my schema a b ann"]
    assert [(entry.schema, entry.name) for entry in contents.parse(lines)] == [("", "my schema"), ("my schema", "a b")]
    assert [(entry.schema, entry.name) for entry in contents.parse(lines[1:])] == [("my", "schema a b")]
