"""Entries."""
import sqlalchemy as sa
from alembic import op

revision = "88a000000001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table("entries", sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), sa.Column("cents", sa.BigInteger), schema="ledger")
    op.execute("INSERT INTO ledger.entries SELECT n, n * 100 FROM generate_series(1, 5) AS n")


def downgrade():
    op.drop_table("entries", schema="ledger")
