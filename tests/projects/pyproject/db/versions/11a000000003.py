"""No book without a shelf."""
import sqlalchemy as sa
from alembic import op

revision = "11a000000003"
down_revision = "11a000000002"
branch_labels = None
depends_on = None


def upgrade():
    op.alter_column("books", "shelf", nullable=False)


def downgrade():
    op.alter_column("books", "shelf", nullable=True)
