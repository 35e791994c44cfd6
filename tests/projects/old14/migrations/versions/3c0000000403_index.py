"""An index on the names, built while the application works.

Revision ID: 3c0000000403
"""
from alembic import op

revision = "3c0000000403"
down_revision = "2b0000000402"
branch_labels = None
depends_on = None


def upgrade():
    with op.get_context().autocommit_block():
        op.create_index("members_name", "members", ["name"], postgresql_concurrently=True)


def downgrade():
    with op.get_context().autocommit_block():
        op.drop_index("members_name", "members", postgresql_concurrently=True)
