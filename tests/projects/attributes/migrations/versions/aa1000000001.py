"""Rooms."""
import sqlalchemy as sa
from alembic import op

revision = "aa1000000001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table("rooms", sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), sa.Column("seats", sa.SmallInteger))
    op.execute("INSERT INTO rooms VALUES (1, 12), (2, 40)")


def downgrade():
    op.drop_table("rooms")
