"""A rule that rows keep at once."""
import sqlalchemy as sa
from alembic import op

revision = "99a000000002"
down_revision = "99a000000001"
branch_labels = None
depends_on = None


def upgrade():
    op.create_check_constraint("events_kind", "events", "kind IN ('open', 'close')")


def downgrade():
    op.drop_constraint("events_kind", "events")
