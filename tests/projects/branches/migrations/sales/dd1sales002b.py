"""Their language."""
import sqlalchemy as sa
from alembic import op

revision = "dd1sales002b"
down_revision = "dd1sales0001"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("customers", sa.Column("language", sa.String(2), server_default="fr"))


def downgrade():
    op.drop_column("customers", "language")
