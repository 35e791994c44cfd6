"""Notes."""
import sqlalchemy as sa
from alembic import op

revision = "66a000000001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), sa.Column("text", sa.Text))
    op.execute("INSERT INTO notes VALUES (1, 'first'), (2, 'second')")
    print('{"event": "revision_committed", "revision": "not an event, but a line of a revision"}')


def downgrade():
    op.drop_table("notes")
