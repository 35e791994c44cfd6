"""A region for each order; taking it back loses the regions alone

Revision ID: 7b0000000002
Revises: "7b0000000001"
"""
import sqlalchemy as sa
from alembic import op

revision = "7b0000000002"
down_revision = "7b0000000001"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("orders", sa.Column("region", sa.Text, server_default="north", nullable=False))


def downgrade():
    op.drop_column("orders", "region")
