"""Alters a table, and counts it over a second connection: which waits for the first.

Revision ID: 2b0000000802
"""
import sqlalchemy as sa
from alembic import op

revision = "2b0000000802"
down_revision = "1a0000000801"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("carts", sa.Column("total", sa.Integer()))
    with op.get_bind().engine.connect() as second:
        second.exec_driver_sql("SELECT count(*) FROM carts")


def downgrade():
    op.drop_column("carts", "total")
