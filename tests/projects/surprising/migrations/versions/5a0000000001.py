"""Accounts, and what belongs to them

Revision ID: 5a0000000001
Revises: 
"""
import sqlalchemy as sa
from alembic import op

revision = "5a0000000001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.execute("CREATE TYPE kind AS ENUM ('person', 'company')")
    op.create_table(
        "accounts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("email", sa.String(80)),
        sa.Column("kind", sa.String(20)),
        sa.Column("age", sa.Integer),
        sa.Column("balance", sa.Numeric(12, 2)),
    )
    op.create_table(
        "notes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("account_id", sa.Integer),
        sa.Column("text", sa.Text),
    )


def downgrade():
    op.drop_table("notes")
    op.drop_table("accounts")
    op.execute("DROP TYPE kind")
