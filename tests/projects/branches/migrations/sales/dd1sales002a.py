"""Their country."""
import sqlalchemy as sa
from alembic import op

revision = "dd1sales002a"
down_revision = "dd1sales0001"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("customers", sa.Column("country", sa.String(2), server_default="FR"))


def downgrade():
    op.drop_column("customers", "country")
