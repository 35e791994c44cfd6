"""A column with a volatile default: the table is written anew under ACCESS EXCLUSIVE

Revision ID: 0b0000000002
Revises: 0b0000000001
"""
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql  # noqa: F401

revision = "0b0000000002"
down_revision = "0b0000000001"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("orders", sa.Column("token", sa.dialects.postgresql.UUID, server_default=sa.text("gen_random_uuid()")))


def downgrade():
    op.drop_column("orders", "token")
