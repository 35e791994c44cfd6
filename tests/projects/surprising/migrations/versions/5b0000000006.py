"""An enum that does not fit

Revision ID: 5b0000000006
Revises: 5a0000000001
"""
import sqlalchemy as sa
from alembic import op

revision = "5b0000000006"
down_revision = "5a0000000001"
branch_labels = None
depends_on = None


def upgrade():
    op.execute("ALTER TABLE accounts ALTER kind TYPE kind USING kind::kind")


def downgrade():
    op.execute("ALTER TABLE accounts ALTER kind TYPE varchar(20) USING kind::text")
