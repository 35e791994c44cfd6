"""Customers and their orders

Revision ID: 0b0000000001
Revises: 
"""
import sqlalchemy as sa
from alembic import op

revision = "0b0000000001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "customers",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(20), nullable=False),
        sa.Column("code", sa.String(20)),
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("customer_id", sa.Integer, nullable=False),
        sa.Column("total", sa.Numeric(10, 2), nullable=False),
    )
    op.execute("INSERT INTO customers SELECT n, 'customer ' || n, NULL FROM generate_series(1, 50) AS n")
    op.execute("INSERT INTO orders SELECT n, 1 + n % 50, n FROM generate_series(1, 300) AS n")


def downgrade():
    op.drop_table("orders")
    op.drop_table("customers")
