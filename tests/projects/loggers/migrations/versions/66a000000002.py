"""Upper case."""
import sqlalchemy as sa
from alembic import op

revision = "66a000000002"
down_revision = "66a000000001"
branch_labels = None
depends_on = None


def upgrade():
    op.execute("UPDATE notes SET text = upper(text)")


def downgrade():
    op.execute("UPDATE notes SET text = lower(text)")
