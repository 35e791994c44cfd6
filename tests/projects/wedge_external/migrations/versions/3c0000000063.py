"""Sizes of drafts

Revision ID: 3c0000000063
Revises: "2b0000000062"
"""
import sqlalchemy as sa
from alembic import op

revision = "3c0000000063"
down_revision = "2b0000000062"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("drafts", sa.Column("size", sa.Integer))


def downgrade():
    op.drop_column("drafts", "size")
