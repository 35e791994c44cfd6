"""Users."""
import sqlalchemy as sa
from alembic import op

revision = "cc1000000001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table("users", sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), sa.Column("name", sa.Text, nullable=False))
    op.execute("INSERT INTO users VALUES (1, 'Ada Lovelace'), (2, 'Grace Hopper')")


def downgrade():
    op.drop_table("users")
