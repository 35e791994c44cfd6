"""Reading a revision's Python without executing it."""

from __future__ import annotations

import textwrap

import pytest

from alembook.project.findings.source import Source

HEAD = '"""Does a thing."""\nimport sqlalchemy as sa\nfrom alembic import op\n'


def parse(body: str, *, head: str = "", downgrade: str = "op.drop_table('t')") -> Source:
    """Returns a revision with this body of ``upgrade``."""
    inner = textwrap.indent(textwrap.dedent(body).strip(), "    ")
    return Source.parse(f"{HEAD}{head}\n\ndef upgrade():\n{inner}\n\n\ndef downgrade():\n    {downgrade}\n")


def kinds(source: Source) -> list[tuple[str, str, str]]:
    """Returns kind, table and column of each operation."""
    return [(op.kind, op.table, op.column) for op in source.upgrade]


def test_batches_schemas_and_names() -> None:
    """A batch gives its table to what is inside, a schema is part of the name, a constant is followed."""
    found = parse(
        """
        with op.batch_alter_table("t", schema="s") as batch_op:
            batch_op.drop_column("a")
            batch_op.create_index("i", ["b"])
        op.add_column(NAME, sa.Column("c", sa.String(40), nullable=False))
        op.create_foreign_key("f", source_table="t", referent_table="u", local_cols=["a"], remote_cols=["b"])
        """,
        head='NAME = "n"\n',
    )
    assert kinds(found) == [
        ("drop_column", "s.t", "a"),
        ("create_index", "s.t", ""),
        ("add_column", "n", "c"),
        ("create_foreign_key", "t", ""),
    ]
    assert (found.upgrade[2].type, found.upgrade[2].is_nullable) == ("character varying(40)", False)
    assert found.upgrade[3].referents == ("u",)


def test_statements_in_every_spelling() -> None:
    """Text, sa.text, f-strings, builders and sessions: the change of rows is seen."""
    found = parse(
        """
        bind = op.get_bind()
        people = sa.table("people", sa.column("id"))
        op.execute("UPDATE a SET b = 1")
        bind.execute(sa.text(f"DELETE FROM c WHERE d = {1}"))
        bind.execute(people.update().values(id=1))
        bind.execute(sa.insert(people))
        op.bulk_insert(people, [])
        session.add_all([])
        """
    )
    assert [(op.kind, op.table) for op in found.upgrade] == [
        ("update", "a"),
        ("delete", "c"),
        ("update", "people"),
        ("insert", "people"),
        ("insert", "people"),
        ("insert", ""),
    ]


def test_what_upgrade_calls_is_read_too() -> None:
    """A function of the file is followed; what it does is not sure to happen."""
    found = parse("later()", head='def later():\n    op.drop_table("t")\n')
    assert kinds(found) == [("drop_table", "t", "")]
    assert "conditional" in found.upgrade[0].traits


@pytest.mark.parametrize(
    ("body", "head", "reason"),
    [
        ("op.drop_table('t')", "", ""),
        ("with op.get_context().autocommit_block():\n    op.execute('SELECT 1')", "", ""),
        ("op.get_bind().execute('x')", "", "line 7 asks the database (op.get_bind)"),
        ("op.get_context().bind", "", "line 7 asks the database (op.get_context)"),
        ("open('x')", "", "line 7 calls open"),
        ("shutil.move('a', 'b')", "import shutil\n", "line 8 calls shutil, which is not Alembic's or SQLAlchemy's"),
        ("upgrade_data()", "from app.data import upgrade_data\n", "line 8 calls upgrade_data, which is not Alembic's"),
        ("conn.execute('x')", "", "line 7 calls conn, whose origin is not known"),
    ],
)
def test_only_what_names_operations_may_be_called(body: str, head: str, reason: str) -> None:
    """Anything else could act when its SQL is asked for, and is named with its line."""
    found = parse(body, head=head).unsafe_to_render
    assert found.startswith(reason) if reason else found == ""


@pytest.mark.parametrize("body", ["pass", "...", "return", "raise NotImplementedError()", '"""Nothing."""'])
def test_a_downgrade_that_does_nothing(body: str) -> None:
    """Pass, a docstring, return and raise are no way back."""
    assert not parse("pass", downgrade=body).has_downgrade
    assert parse("pass").has_downgrade
