"""Table 1

Revision ID: 1a0000000031
Revises: None
"""
import sqlalchemy as sa
from alembic import op

revision = "1a0000000031"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table("table_1", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("table_1")
