"""Prices and amounts."""
import sqlalchemy as sa
from alembic import op

revision = "44a000000002"
down_revision = "44a000000001"
branch_labels = None
depends_on = None


def upgrade_default():
    op.add_column("products", sa.Column("price", sa.Numeric(8, 2)))


def upgrade_orders():
    op.add_column("orders", sa.Column("amount", sa.Integer))
    op.execute("UPDATE orders SET amount = 1")


def downgrade_default():
    op.drop_column("products", "price")


def downgrade_orders():
    op.drop_column("orders", "amount")


def upgrade(engine_name):
    globals()["upgrade_%s" % (engine_name or "default")]()


def downgrade(engine_name):
    globals()["downgrade_%s" % (engine_name or "default")]()
