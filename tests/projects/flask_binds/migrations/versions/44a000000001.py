"""A table in each database."""
import sqlalchemy as sa
from alembic import op

revision = "44a000000001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade_default():
    op.create_table("products", sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), sa.Column("name", sa.Text))
    op.execute("INSERT INTO products VALUES (1, 'lamp'), (2, 'chair')")


def upgrade_orders():
    op.create_table("orders", sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), sa.Column("product_id", sa.Integer))
    op.execute("INSERT INTO orders VALUES (1, 2), (2, 2), (3, 1)")


def downgrade_default():
    op.drop_table("products")


def downgrade_orders():
    op.drop_table("orders")


def upgrade(engine_name):
    globals()["upgrade_%s" % (engine_name or "default")]()


def downgrade(engine_name):
    globals()["downgrade_%s" % (engine_name or "default")]()
