"""Old ones are closed."""
import sqlalchemy as sa
from alembic import op

revision = "bb1000000002"
down_revision = "bb1000000001"
branch_labels = None
depends_on = None


def upgrade():
    op.execute("UPDATE tickets SET state = 'closed' WHERE id <= 5")


def downgrade():
    op.execute("UPDATE tickets SET state = 'new'")
