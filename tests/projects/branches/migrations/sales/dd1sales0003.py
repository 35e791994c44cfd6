"""Both were made at the same time: a merge."""
import sqlalchemy as sa
from alembic import op

revision = "dd1sales0003"
down_revision = ("dd1sales002a", "dd1sales002b")
branch_labels = None
depends_on = None


def upgrade():
    pass


def downgrade():
    pass
