"""NOT NULL without a default

Revision ID: 5b0000000001
Revises: 5a0000000001
"""
import sqlalchemy as sa
from alembic import op

revision = "5b0000000001"
down_revision = "5a0000000001"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("accounts", sa.Column("region", sa.String(20), nullable=False))


def downgrade():
    op.drop_column("accounts", "region")
