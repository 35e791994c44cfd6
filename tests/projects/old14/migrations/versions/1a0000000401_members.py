"""Members.

Revision ID: 1a0000000401
"""
import sqlalchemy as sa
from alembic import op

revision = "1a0000000401"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    members = op.create_table("members", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("name", sa.String(80), nullable=False))
    op.bulk_insert(members, [{"name": "Ada"}, {"name": "Barbara"}])


def downgrade():
    op.drop_table("members")
