"""Orders and their customers

Revision ID: 7b0000000001
Revises: None
"""
import sqlalchemy as sa
from alembic import op

revision = "7b0000000001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.execute("CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL)")
    op.execute("CREATE TABLE orders (id serial PRIMARY KEY, customer_id int REFERENCES customers, note text, kind text)")
    op.execute("INSERT INTO customers SELECT n, 'customer ' || n FROM generate_series(1, 20) AS n")
    op.execute("INSERT INTO orders (customer_id, note, kind) SELECT 1 + n % 20, 'note ' || n, 'k' FROM generate_series(1, 300) AS n")


def downgrade():
    op.drop_table("orders")
    op.drop_table("customers")
