"""One order of each kind, which the data do not obey

Revision ID: 7b0000000005
Revises: "7b0000000004"
"""
import sqlalchemy as sa
from alembic import op

revision = "7b0000000005"
down_revision = "7b0000000004"
branch_labels = None
depends_on = None


def upgrade():
    op.create_unique_constraint("orders_kind", "orders", ["kind"])


def downgrade():
    op.drop_constraint("orders_kind", "orders")
