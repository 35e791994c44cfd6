"""Emails become unique, and are not

Revision ID: 3c0000000013
Revises: "2b0000000012"
"""
import sqlalchemy as sa
from alembic import op

revision = "3c0000000013"
down_revision = "2b0000000012"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("accounts", sa.Column("seen", sa.Boolean))
    op.create_unique_constraint("accounts_email_key", "accounts", ["email"])


def downgrade():
    op.drop_constraint("accounts_email_key", "accounts")
    op.drop_column("accounts", "seen")
