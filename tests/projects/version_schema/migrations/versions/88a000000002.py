"""Their currency."""
import sqlalchemy as sa
from alembic import op

revision = "88a000000002"
down_revision = "88a000000001"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("entries", sa.Column("currency", sa.String(3), server_default="EUR", nullable=False), schema="ledger")


def downgrade():
    op.drop_column("entries", "currency", schema="ledger")
