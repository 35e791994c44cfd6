"""Who pays them; customers must be there."""
import sqlalchemy as sa
from alembic import op

revision = "ee1billing02"
down_revision = "ee1billing01"
branch_labels = None
depends_on = "dd1sales002a"


def upgrade():
    op.add_column("invoices", sa.Column("customer_id", sa.Integer))
    op.execute("UPDATE invoices SET customer_id = (SELECT min(id) FROM customers)")
    op.create_foreign_key("invoices_customer", "invoices", "customers", ["customer_id"], ["id"])


def downgrade():
    op.drop_constraint("invoices_customer", "invoices")
    op.drop_column("invoices", "customer_id")
