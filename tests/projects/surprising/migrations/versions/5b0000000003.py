"""A unique index over duplicates

Revision ID: 5b0000000003
Revises: 5a0000000001
"""
import sqlalchemy as sa
from alembic import op

revision = "5b0000000003"
down_revision = "5a0000000001"
branch_labels = None
depends_on = None


def upgrade():
    op.create_index("accounts_email", "accounts", ["email"], unique=True)


def downgrade():
    op.drop_index("accounts_email")
