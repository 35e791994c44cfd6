"""Wider seats."""
import sqlalchemy as sa
from alembic import op

revision = "aa1000000002"
down_revision = "aa1000000001"
branch_labels = None
depends_on = None


def upgrade():
    op.alter_column("rooms", "seats", type_=sa.Integer)


def downgrade():
    op.alter_column("rooms", "seats", type_=sa.SmallInteger)
