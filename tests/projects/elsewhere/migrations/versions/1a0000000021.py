"""A table

Revision ID: 1a0000000021
Revises: None
"""
import sqlalchemy as sa
from alembic import op

revision = "1a0000000021"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table("things", sa.Column("id", sa.Integer))


def downgrade():
    op.drop_table("things")
