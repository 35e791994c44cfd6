"""Whose draft it is: a column, and a unique index

Revision ID: 2b0000000062
Revises: "1a0000000061"
"""
import sqlalchemy as sa
from alembic import op

revision = "2b0000000062"
down_revision = "1a0000000061"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("drafts", sa.Column("user_id", sa.Integer))
    op.create_index("drafts_app_id_user_id_key", "drafts", ["app_id", "user_id"], unique=True)


def downgrade():
    op.drop_index("drafts_app_id_user_id_key", "drafts")
    op.drop_column("drafts", "user_id")
