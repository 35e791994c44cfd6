"""A column

Revision ID: 2b0000000012
Revises: "1a0000000011"
"""
import sqlalchemy as sa
from alembic import op

revision = "2b0000000012"
down_revision = "1a0000000011"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("accounts", sa.Column("name", sa.String(40)))


def downgrade():
    op.drop_column("accounts", "name")
