"""Ends the process in its middle, past every finally.

Revision ID: 2b0000001202
"""
import os

import sqlalchemy as sa
from alembic import op

revision = "2b0000001202"
down_revision = "1a0000001201"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("carts", sa.Column("total", sa.Integer()))
    os._exit(0)


def downgrade():
    op.drop_column("carts", "total")
