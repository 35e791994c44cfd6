"""A number too large for its new type

Revision ID: 5b0000000008
Revises: 5a0000000001
"""
import sqlalchemy as sa
from alembic import op

revision = "5b0000000008"
down_revision = "5a0000000001"
branch_labels = None
depends_on = None


def upgrade():
    op.alter_column("accounts", "balance", type_=sa.Numeric(6, 2))


def downgrade():
    op.alter_column("accounts", "balance", type_=sa.Numeric(12, 2))
