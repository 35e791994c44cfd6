"""Names are found by parts: an extension that the embedded server lacks.

Revision ID: 3c0000001403
"""
import sqlalchemy as sa
from alembic import op

revision = "3c0000001403"
down_revision = "2b0000001402"
branch_labels = None
depends_on = None


def upgrade():
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.execute("CREATE INDEX carts_name ON carts USING gin (name gin_trgm_ops)")


def downgrade():
    op.drop_index("carts_name", "carts")
