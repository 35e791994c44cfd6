"""Adds what is known about a document, and the embedding model of a dataset.

Columns without a default: PostgreSQL only writes the catalogue, each table is locked for an instant.

Loses on downgrade: the kind and the metadata of every document, the embedding model of every dataset.

Revision ID: 600ee3353be4
Revises: 28f68f2fe6f4
Create Date: 2024-01-12 14:31:00+00:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "600ee3353be4"
down_revision: str | tuple[str, ...] | None = "28f68f2fe6f4"
branch_labels: str | tuple[str, ...] | None = None
depends_on: str | tuple[str, ...] | None = None


def upgrade() -> None:
    """Takes the database forward."""
    op.add_column("documents", sa.Column("doc_type", sa.String(40), nullable=True))
    op.add_column("documents", sa.Column("doc_metadata", sa.JSON(), nullable=True))
    op.add_column("datasets", sa.Column("embedding_model", sa.String(255), nullable=True))
    op.add_column("datasets", sa.Column("embedding_model_provider", sa.String(255), nullable=True))
    op.add_column("datasets", sa.Column("collection_binding_id", sa.Uuid(), nullable=True))


def downgrade() -> None:
    """Takes the database back."""
    op.drop_column("datasets", "collection_binding_id")
    op.drop_column("datasets", "embedding_model_provider")
    op.drop_column("datasets", "embedding_model")
    op.drop_column("documents", "doc_metadata")
    op.drop_column("documents", "doc_type")
