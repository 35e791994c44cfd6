"""Invoices."""
import sqlalchemy as sa
from alembic import op

revision = "ee1billing01"
down_revision = None
branch_labels = ("billing",)
depends_on = None


def upgrade():
    op.create_table("invoices", sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), sa.Column("cents", sa.Integer))
    op.execute("INSERT INTO invoices VALUES (1, 1200)")


def downgrade():
    op.drop_table("invoices")
