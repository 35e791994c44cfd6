"""Table 3

Revision ID: 1a0000000033
Revises: "1a0000000032"
"""
import sqlalchemy as sa
from alembic import op

revision = "1a0000000033"
down_revision = "1a0000000032"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table("table_3", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("table_3")
