"""A foreign key: SHARE ROW EXCLUSIVE on both tables

Revision ID: 0b0000000004
Revises: 0b0000000003
"""
import sqlalchemy as sa
from alembic import op

revision = "0b0000000004"
down_revision = "0b0000000003"
branch_labels = None
depends_on = None


def upgrade():
    op.create_foreign_key("orders_customer", "orders", "customers", ["customer_id"], ["id"])


def downgrade():
    op.drop_constraint("orders_customer", "orders")
