"""An index in one of them."""
import sqlalchemy as sa
from alembic import op

revision = "44a000000003"
down_revision = "44a000000002"
branch_labels = None
depends_on = None


def upgrade_default():
    pass


def upgrade_orders():
    op.create_index("orders_product", "orders", ["product_id"])


def downgrade_default():
    pass


def downgrade_orders():
    op.drop_index("orders_product")


def upgrade(engine_name):
    globals()["upgrade_%s" % (engine_name or "default")]()


def downgrade(engine_name):
    globals()["downgrade_%s" % (engine_name or "default")]()
