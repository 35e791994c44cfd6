"""Code for SQLAlchemy 1 that runs only where rows are

Revision ID: 5b0000000007
Revises: 5a0000000001
"""
import sqlalchemy as sa
from alembic import op

revision = "5b0000000007"
down_revision = "5a0000000001"
branch_labels = None
depends_on = None


def upgrade():
    for note in op.get_bind().execute(sa.text("SELECT id, text FROM notes")):
        op.get_bind().execute(sa.text("UPDATE notes SET text = btrim(text) WHERE id = :id"), {"id": note["id"]})


def downgrade():
    pass
