"""First names."""
import sqlalchemy as sa
from alembic import op

revision = "cc1000000002"
down_revision = "cc1000000001"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("users", sa.Column("first_name", sa.Text))
    op.execute("UPDATE users SET first_name = split_part(name, ' ', 1)")


def downgrade():
    op.drop_column("users", "first_name")
