"""Customers."""
import sqlalchemy as sa
from alembic import op

revision = "dd1sales0001"
down_revision = None
branch_labels = ("sales",)
depends_on = None


def upgrade():
    op.create_table("customers", sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), sa.Column("name", sa.Text))
    op.execute("INSERT INTO customers VALUES (1, 'Ada'), (2, 'Grace')")


def downgrade():
    op.drop_table("customers")
