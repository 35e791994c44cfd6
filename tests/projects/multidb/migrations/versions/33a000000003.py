"""An index in one of them."""
import sqlalchemy as sa
from alembic import op

revision = "33a000000003"
down_revision = "33a000000002"
branch_labels = None
depends_on = None


def upgrade_catalogue():
    pass


def upgrade_orders():
    op.create_index("orders_product", "orders", ["product_id"])


def downgrade_catalogue():
    pass


def downgrade_orders():
    op.drop_index("orders_product")


def upgrade(engine_name):
    globals()["upgrade_%s" % engine_name]()


def downgrade(engine_name):
    globals()["downgrade_%s" % engine_name]()
