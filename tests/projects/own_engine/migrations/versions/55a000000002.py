"""When each was counted, by the clock the engine sets."""
import sqlalchemy as sa
from alembic import op

revision = "55a000000002"
down_revision = "55a000000001"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("parts", sa.Column("counted_in", sa.Text))
    op.execute("UPDATE parts SET counted_in = current_setting('TimeZone')")


def downgrade():
    op.drop_column("parts", "counted_in")
