"""Books and their shelves."""
import sqlalchemy as sa
from alembic import op

revision = "11a000000001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    books = op.create_table(
        "books", sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), sa.Column("title", sa.String(80), nullable=False)
    )
    op.bulk_insert(books, [{"id": 1, "title": "Emma"}, {"id": 2, "title": "Ulysses"}])


def downgrade():
    op.drop_table("books")
