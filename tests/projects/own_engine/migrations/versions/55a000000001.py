"""Parts."""
import sqlalchemy as sa
from alembic import op

revision = "55a000000001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table("parts", sa.Column("code", sa.String(12), primary_key=True), sa.Column("stock", sa.Integer))
    op.execute("INSERT INTO parts SELECT 'P' || n, n % 7 FROM generate_series(1, 200) AS n")


def downgrade():
    op.drop_table("parts")
