"""Nicknames, which change no value that is there

Revision ID: 2b0000000042
Revises: 1a0000000041
"""
import sqlalchemy as sa
from alembic import op

revision = "2b0000000042"
down_revision = "1a0000000041"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("people", sa.Column("nickname", sa.Text))
    op.create_index("people_by_name", "people", ["name"])


def downgrade():
    op.drop_column("people", "nickname")
    op.drop_index("people_by_name")
