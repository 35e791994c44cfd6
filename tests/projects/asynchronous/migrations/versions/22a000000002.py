"""Their measurements, one day each."""
import sqlalchemy as sa
from alembic import op

revision = "22a000000002"
down_revision = "22a000000001"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "measurements",
        sa.Column("sensor_id", sa.BigInteger, sa.ForeignKey("sensors.id"), primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("celsius", sa.Numeric(4, 1)),
    )
    op.execute("INSERT INTO measurements SELECT id, DATE '2026-01-01', 20 + id / 2.0 FROM sensors")


def downgrade():
    op.drop_table("measurements")
