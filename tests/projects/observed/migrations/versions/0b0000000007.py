"""An index built beside the writers, outside a transaction

Revision ID: 0b0000000007
Revises: 0b0000000006
"""
import sqlalchemy as sa
from alembic import op

revision = "0b0000000007"
down_revision = "0b0000000006"
branch_labels = None
depends_on = None


def upgrade():
    with op.get_context().autocommit_block():
        op.create_index("customers_code", "customers", ["code"], postgresql_concurrently=True)


def downgrade():
    op.drop_index("customers_code")
