"""Tickets."""
import sqlalchemy as sa
from alembic import op

revision = "bb1000000001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table("tickets", sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), sa.Column("state", sa.Text, server_default="new"))
    op.execute("INSERT INTO tickets (id) SELECT generate_series(1, 20)")


def downgrade():
    op.drop_table("tickets")
