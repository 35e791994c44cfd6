"""Members."""
import sqlalchemy as sa
from alembic import op

revision = "77a000000001"
down_revision = None
branch_labels = None
depends_on = None


def table(name):
    return op.get_context().opts["table_prefix"] + name


def upgrade():
    op.create_table(table("members"), sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), sa.Column("name", sa.Text))
    op.execute("INSERT INTO %s VALUES (1, 'Ada'), (2, 'Grace')" % table("members"))


def downgrade():
    op.drop_table(table("members"))
