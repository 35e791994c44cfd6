"""Two first accounts

Revision ID: 2b0000000002
Revises: "1a0000000001"
"""
import sqlalchemy as sa
from alembic import op

revision = "2b0000000002"
down_revision = "1a0000000001"
branch_labels = None
depends_on = None


def upgrade():
    accounts = sa.table("accounts", sa.column("email", sa.String))
    op.bulk_insert(accounts, [{"email": "ada@example.org"}, {"email": "bob@example.org"}])


def downgrade():
    op.execute("DELETE FROM accounts WHERE id IN (1, 2)")
