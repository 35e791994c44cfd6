"""Accounts

Revision ID: 1a0000000001
Revises: None
"""
import sqlalchemy as sa
from alembic import op

revision = "1a0000000001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "accounts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("email", sa.String(80), nullable=False, unique=True),
    )


def downgrade():
    op.drop_table("accounts")
