"""A foreign key over orphans

Revision ID: 5b0000000005
Revises: 5a0000000001
"""
import sqlalchemy as sa
from alembic import op

revision = "5b0000000005"
down_revision = "5a0000000001"
branch_labels = None
depends_on = None


def upgrade():
    op.create_foreign_key("notes_account", "notes", "accounts", ["account_id"], ["id"])


def downgrade():
    op.drop_constraint("notes_account", "notes")
