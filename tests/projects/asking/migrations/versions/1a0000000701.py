"""Carts.

Revision ID: 1a0000000701
"""
import sqlalchemy as sa
from alembic import op

revision = "1a0000000701"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table("carts", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("name", sa.String(40)))


def downgrade():
    op.drop_table("carts")
