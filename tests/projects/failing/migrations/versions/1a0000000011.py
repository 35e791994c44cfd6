"""Accounts

Revision ID: 1a0000000011
Revises: None
"""
import sqlalchemy as sa
from alembic import op

revision = "1a0000000011"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.execute("CREATE TABLE accounts (id int PRIMARY KEY, email text)")
    op.execute("INSERT INTO accounts VALUES (1, 'secret@example.org'), (2, 'secret@example.org')")


def downgrade():
    op.drop_table("accounts")
