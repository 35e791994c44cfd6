"""When they joined."""
import sqlalchemy as sa
from alembic import op

revision = "77a000000002"
down_revision = "77a000000001"
branch_labels = None
depends_on = None


def table(name):
    return op.get_context().opts["table_prefix"] + name


def upgrade():
    op.add_column(table("members"), sa.Column("joined", sa.Date, server_default="2026-01-01"))


def downgrade():
    op.drop_column(table("members"), "joined")
