"""Names are compared as Germans do: an ICU collation, which the embedded server lacks.

Revision ID: 2b0000001402
"""
import sqlalchemy as sa
from alembic import op

revision = "2b0000001402"
down_revision = "1a0000001401"
branch_labels = None
depends_on = None


def upgrade():
    op.execute("CREATE COLLATION german (provider = icu, locale = $$de-DE-u-co-phonebk$$)")
    op.add_column("carts", sa.Column("name", sa.String(40, collation="german")))


def downgrade():
    op.drop_column("carts", "name")
    op.execute("DROP COLLATION german")
