"""A shelf for each book, from the project's own module."""
import sqlalchemy as sa
from alembic import op

revision = "11a000000002"
down_revision = "11a000000001"
branch_labels = None
depends_on = None


def upgrade():
    from shelves import SHELVES

    op.add_column("books", sa.Column("shelf", sa.String(20)))
    op.get_bind().execute(sa.text("UPDATE books SET shelf = :shelf"), {"shelf": SHELVES[1]})


def downgrade():
    op.drop_column("books", "shelf")
