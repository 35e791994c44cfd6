"""Agents

Revision ID: 4d0000000064
Revises: "3c0000000063"
"""
import sqlalchemy as sa
from alembic import op

revision = "4d0000000064"
down_revision = "3c0000000063"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table("agents", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("agents")
