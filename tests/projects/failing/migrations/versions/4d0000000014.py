"""Never reached

Revision ID: 4d0000000014
Revises: "3c0000000013"
"""
import sqlalchemy as sa
from alembic import op

revision = "4d0000000014"
down_revision = "3c0000000013"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table("never", sa.Column("id", sa.Integer))


def downgrade():
    op.drop_table("never")
