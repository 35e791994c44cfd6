"""Uploads.

Revision ID: 1a0000001001
"""
import sqlalchemy as sa
from alembic import op

revision = "1a0000001001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    uploads = op.create_table("uploads", sa.Column("path", sa.String(200), primary_key=True))
    op.bulk_insert(uploads, [{"path": "uploads/logo.txt"}])


def downgrade():
    op.drop_table("uploads")
