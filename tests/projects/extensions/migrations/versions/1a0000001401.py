"""Carts, with vectors: an extension that the embedded server has.

Revision ID: 1a0000001401
"""
import sqlalchemy as sa
from alembic import op

revision = "1a0000001401"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.execute("CREATE EXTENSION IF NOT EXISTS vector")
    op.execute("CREATE TABLE carts (id int PRIMARY KEY, taste vector(3))")


def downgrade():
    op.drop_table("carts")
