"""Whose draft it is: a column, and a unique index that is built concurrently

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
    with op.get_context().autocommit_block():
        op.create_index(
            "drafts_app_id_user_id_key",
            "drafts",
            ["app_id", "user_id"],
            unique=True,
            postgresql_concurrently=True,
        )


def downgrade():
    with op.get_context().autocommit_block():
        op.drop_index("drafts_app_id_user_id_key", "drafts", postgresql_concurrently=True)
    op.drop_column("drafts", "user_id")
