"""A type too narrow for what is there

Revision ID: 5b0000000002
Revises: 5a0000000001
"""
import sqlalchemy as sa
from alembic import op

revision = "5b0000000002"
down_revision = "5a0000000001"
branch_labels = None
depends_on = None


def upgrade():
    op.alter_column("notes", "text", type_=sa.String(10))


def downgrade():
    op.alter_column("notes", "text", type_=sa.Text)
