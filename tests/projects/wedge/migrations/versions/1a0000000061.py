"""Drafts of workflows

Revision ID: 1a0000000061
Revises: None
"""
import sqlalchemy as sa
from alembic import op

revision = "1a0000000061"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "drafts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("app_id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
    )
    op.execute("INSERT INTO drafts (app_id, name) SELECT n, 'draft ' || n FROM generate_series(1, 100) AS n")


def downgrade():
    op.drop_table("drafts")
