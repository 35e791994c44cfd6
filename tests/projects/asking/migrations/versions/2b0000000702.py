"""Asks again, as a revision that loses data may.

Revision ID: 2b0000000702
"""
import sqlalchemy as sa
from alembic import op

revision = "2b0000000702"
down_revision = "1a0000000701"
branch_labels = None
depends_on = None


def upgrade():
    if input("Really drop the names? ") != "y":
        raise SystemExit("kept")
    op.drop_column("carts", "name")


def downgrade():
    op.add_column("carts", sa.Column("name", sa.String(40)))
