"""Uploads move to a folder for each tenant: the files, and their paths in the table.

Revision ID: 2b0000001002
"""
import os

import sqlalchemy as sa
from alembic import op

revision = "2b0000001002"
down_revision = "1a0000001001"
branch_labels = None
depends_on = None


def upgrade():
    if os.environ.get("ALEMBOOK_REHEARSAL") != "1":
        os.makedirs("tenants/1", exist_ok=True)
        os.replace("uploads/logo.txt", "tenants/1/logo.txt")
    op.execute("UPDATE uploads SET path = replace(path, $$uploads/$$, $$tenants/1/$$)")


def downgrade():
    if os.environ.get("ALEMBOOK_REHEARSAL") != "1":
        os.replace("tenants/1/logo.txt", "uploads/logo.txt")
    op.execute("UPDATE uploads SET path = replace(path, $$tenants/1/$$, $$uploads/$$)")
