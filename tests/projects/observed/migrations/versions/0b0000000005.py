"""A wider varchar: no row is written anew

Revision ID: 0b0000000005
Revises: 0b0000000004
"""
import sqlalchemy as sa
from alembic import op

revision = "0b0000000005"
down_revision = "0b0000000004"
branch_labels = None
depends_on = None


def upgrade():
    op.alter_column("customers", "name", type_=sa.String(80))


def downgrade():
    op.alter_column("customers", "name", type_=sa.String(20))
