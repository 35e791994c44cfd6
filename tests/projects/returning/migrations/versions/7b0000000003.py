"""Labels, and an index

Revision ID: 7b0000000003
Revises: "7b0000000002"
"""
import sqlalchemy as sa
from alembic import op

revision = "7b0000000003"
down_revision = "7b0000000002"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table("labels", sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text))
    op.create_index("orders_customer", "orders", ["customer_id"])


def downgrade():
    op.drop_index("orders_customer")
    op.drop_table("labels")
