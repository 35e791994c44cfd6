"""Display names

Revision ID: 3c0000000003
Revises: "2b0000000002"
"""
import sqlalchemy as sa
from alembic import op

revision = "3c0000000003"
down_revision = "2b0000000002"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("accounts", sa.Column("name", sa.String(40)))


def downgrade():
    op.drop_column("accounts", "name")
