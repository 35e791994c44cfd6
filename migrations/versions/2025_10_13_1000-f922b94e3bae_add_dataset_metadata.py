"""Adds the fields of a dataset as rows: which exist, and which document carries which.

So far they are keys of documents.doc_metadata, where nobody can rename one. The tables start empty. The foreign key
stands here because it was written by hand: autogenerate shows none (see README.md). Both of its tables are new, so no
writer waits for it. A constant default rewrites nothing: datasets is locked for an instant.

Loses on downgrade: the fields and which documents carry them, and which datasets use the built-in fields.

Revision ID: f922b94e3bae
Revises: 32d06af11dd1
Create Date: 2025-10-13 10:00:00+00:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "f922b94e3bae"
down_revision: str | tuple[str, ...] | None = "32d06af11dd1"
branch_labels: str | tuple[str, ...] | None = None
depends_on: str | tuple[str, ...] | None = None


def upgrade() -> None:
    """Takes the database forward."""
    op.create_table(
        "dataset_metadatas",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.Column("updated_at", sa.DateTime(), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="dataset_metadatas_pkey"),
        sa.UniqueConstraint("dataset_id", "name", name="unique_dataset_metadata_name"),
    )
    op.create_table(
        "dataset_metadata_bindings",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("metadata_id", sa.Uuid(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="dataset_metadata_bindings_pkey"),
        sa.UniqueConstraint("document_id", "metadata_id", name="unique_dataset_metadata_binding"),
        sa.ForeignKeyConstraint(
            ["metadata_id"],
            ["dataset_metadatas.id"],
            name="dataset_metadata_bindings_metadata_id_fkey",
            ondelete="CASCADE",
        ),
    )
    op.create_index("dataset_metadata_binding_metadata_idx", "dataset_metadata_bindings", ["metadata_id"])
    op.add_column(
        "datasets", sa.Column("built_in_field_enabled", sa.Boolean(), server_default=sa.false(), nullable=False)
    )


def downgrade() -> None:
    """Takes the database back."""
    op.drop_column("datasets", "built_in_field_enabled")
    op.drop_table("dataset_metadata_bindings")
    op.drop_table("dataset_metadatas")
