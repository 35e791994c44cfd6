"""Notes go; taking it back brings the column without its values

Revision ID: 7b0000000004
Revises: "7b0000000003"
"""
import sqlalchemy as sa
from alembic import op

revision = "7b0000000004"
down_revision = "7b0000000003"
branch_labels = None
depends_on = None


def upgrade():
    op.drop_column("orders", "note")


def downgrade():
    op.add_column("orders", sa.Column("note", sa.Text))
