"""Events."""
import sqlalchemy as sa
from alembic import op

revision = "99a000000001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table("events", sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False), sa.Column("kind", sa.Text))
    op.execute("INSERT INTO events SELECT n, CASE n % 3 WHEN 0 THEN 'open' ELSE 'close' END FROM generate_series(1, 300) AS n")


def downgrade():
    op.drop_table("events")
