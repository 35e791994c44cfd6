"""A plain index: SHARE, so nobody writes meanwhile

Revision ID: 0b0000000003
Revises: 0b0000000002
"""
import sqlalchemy as sa
from alembic import op

revision = "0b0000000003"
down_revision = "0b0000000002"
branch_labels = None
depends_on = None


def upgrade():
    op.create_index("orders_customer_id", "orders", ["customer_id"])


def downgrade():
    op.drop_index("orders_customer_id")
