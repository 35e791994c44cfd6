"""A column is dropped: its values do not come back

Revision ID: 0b0000000008
Revises: 0b0000000007
"""
import sqlalchemy as sa
from alembic import op

revision = "0b0000000008"
down_revision = "0b0000000007"
branch_labels = None
depends_on = None


def upgrade():
    op.drop_column("orders", "total")


def downgrade():
    op.add_column("orders", sa.Column("total", sa.Numeric(10, 2), nullable=False, server_default="0"))
    op.alter_column("orders", "total", server_default=None)
