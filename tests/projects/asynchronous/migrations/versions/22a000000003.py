"""An index that nobody waits for."""
import sqlalchemy as sa
from alembic import op

revision = "22a000000003"
down_revision = "22a000000002"
branch_labels = None
depends_on = None


def upgrade():
    with op.get_context().autocommit_block():
        op.create_index("measurements_day", "measurements", ["day"], postgresql_concurrently=True)


def downgrade():
    with op.get_context().autocommit_block():
        op.drop_index("measurements_day", postgresql_concurrently=True)
