"""An index outside of a transaction."""
import sqlalchemy as sa
from alembic import op

revision = "99a000000003"
down_revision = "99a000000002"
branch_labels = None
depends_on = None


def upgrade():
    with op.get_context().autocommit_block():
        op.create_index("events_by_kind", "events", ["kind"], postgresql_concurrently=True)


def downgrade():
    with op.get_context().autocommit_block():
        op.drop_index("events_by_kind", postgresql_concurrently=True)
