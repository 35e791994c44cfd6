"""Changes documents.doc_metadata from json to jsonb.

json is kept as text and parsed again at every look; jsonb can be searched. This is a change of type that rewrites the
table: documents is locked against readers and writers meanwhile, less than a second for 20,000 documents. A table a
hundred times that size would get a new column, a backfill and a contract instead.

Loses on downgrade: nothing more. White space, the order of keys and repeated keys were lost at the upgrade already;
jsonb does not keep them.

Revision ID: 32d06af11dd1
Revises: 66839bb339f8
Create Date: 2025-10-06 15:10:00+00:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "32d06af11dd1"
down_revision: str | tuple[str, ...] | None = "66839bb339f8"
branch_labels: str | tuple[str, ...] | None = None
depends_on: str | tuple[str, ...] | None = None


def upgrade() -> None:
    """Takes the database forward."""
    op.alter_column(
        "documents",
        "doc_metadata",
        existing_type=sa.JSON(),
        type_=postgresql.JSONB(),
        existing_nullable=True,
        postgresql_using="doc_metadata::jsonb",
    )


def downgrade() -> None:
    """Takes the database back."""
    op.alter_column(
        "documents",
        "doc_metadata",
        existing_type=postgresql.JSONB(),
        type_=sa.JSON(),
        existing_nullable=True,
        postgresql_using="doc_metadata::json",
    )
