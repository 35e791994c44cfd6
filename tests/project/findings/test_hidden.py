"""Revisions whose texts do not name every table they work on."""

from __future__ import annotations

import pytest

from alembook.project.findings import hidden


@pytest.mark.parametrize(
    "text",
    [
        "op.add_column('a', sa.Column('b', models.types.StringUUID(), nullable=False))",
        "bind = op.get_bind()\nbind.execute(sa.text('UPDATE a SET b = 1'), {'id': libs.uuidv7()})",
        "if op.get_bind().dialect.name == 'postgresql':\n    op.execute('UPDATE a SET b = 1')",
        "sa.inspect(op.get_bind()).get_columns('a')",
        "logger.info('done')",
        "key = libs.make_key()",
    ],
)
def test_values_from_elsewhere_hide_nothing(text: str) -> None:
    """Types, ids, log lines: they execute no statement."""
    top = "import sqlalchemy as sa\nimport models\nimport libs\nimport logging\nfrom alembic import op\n"
    assert hidden.tables(f"{top}logger = logging.getLogger()\n{text}\n") == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("from app import move\nmove()", "line 2 calls move"),
        ("from app import move\nmoved = move(op.get_bind())", "line 2 calls move"),
        ("import app.jobs\napp.jobs.run(session=session)", "line 2 calls app.run"),
        ("from . import helpers\nhelpers.run()", "line 2 calls helpers.run"),
        (
            'op.execute("DO $$ BEGIN FOR t IN SELECT relname FROM pg_class LOOP END LOOP; END $$")',
            "it asks which tables there are (pg_class)",
        ),
        (
            "for table in metadata.sorted_tables:\n    op.execute(table.delete())",
            "it asks which tables there are (sorted_tables)",
        ),
    ],
)
def test_code_that_decides_later_is_named(text: str, why: str) -> None:
    """Code called for its effect, code that gets a connection, and lists of tables."""
    assert hidden.tables(text) == why


@pytest.mark.parametrize(
    "text",
    [
        "op.drop_column(table('members'), 'joined')",
        "op.drop_table(prefix + 'members')",
        "op.create_index('ix', f'{prefix}members', ['id'])",
        "op.rename_table('a', new_table_name='b')\nname = prefix + 'c'\nop.drop_table(name)",
        "op.create_foreign_key('fk', source_table='a_%s' % x, referent_table='b', local_cols=[], remote_cols=[])",
        "op.execute(f'UPDATE {prefix}members SET a = 1')",
        "op.execute('UPDATE %smembers SET a = 1' % prefix)",
        "op.get_bind().execute(sa.text(f'DELETE FROM log_{year}'))",
    ],
)
def test_names_that_are_put_together(text: str) -> None:
    """A prefix, a year: the text has the parts of the table's name."""
    assert hidden.tables(text) == f"line {len(text.splitlines())} puts a name together"


@pytest.mark.parametrize(
    "text",
    [
        "TABLE = 'members'\nop.drop_column(TABLE, 'joined')",
        "for table in ('a', 'b'):\n    op.execute(f'UPDATE {table} SET c = 1')\n    op.drop_column(table, 'd')",
        "op.create_index('ix_%s' % column, 'members', [column])",
        "op.execute('UPDATE %s SET a = 1' % 'members')",
        "op.execute(\"UPDATE members SET a = '{}'\".format(value))",
    ],
)
def test_names_that_stand_there(text: str) -> None:
    """A constant, a loop over names, the name of an index, a value."""
    assert hidden.tables(text) == ""
