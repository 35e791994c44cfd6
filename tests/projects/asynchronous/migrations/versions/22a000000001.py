"""Sensors."""
import sqlalchemy as sa
from alembic import op

revision = "22a000000001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    sensors = op.create_table(
        "sensors", sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False), sa.Column("place", sa.Text, nullable=False)
    )
    op.bulk_insert(sensors, [{"id": 1, "place": "roof"}, {"id": 2, "place": "cellar"}])


def downgrade():
    op.drop_table("sensors")
