"""A check that rows violate

Revision ID: 5b0000000004
Revises: 5a0000000001
"""
import sqlalchemy as sa
from alembic import op

revision = "5b0000000004"
down_revision = "5a0000000001"
branch_labels = None
depends_on = None


def upgrade():
    op.create_check_constraint("accounts_age", "accounts", "age >= 0")


def downgrade():
    op.drop_constraint("accounts_age", "accounts")
