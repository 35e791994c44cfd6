"""Widens provider_name from 40 to 255 characters where embeddings name their provider.

Providers from the marketplace have names like langgenius/openai_api_compatible/openai_api_compatible. A longer limit
on a varchar is a change of the catalogue only: no row is rewritten and no index is built again.

Loses on downgrade: the end of every provider name longer than 40 characters, cut off; two cached embeddings that
become the same by that stop the downgrade.

Revision ID: 5c317a8c80df
Revises: d876569d24c8
Create Date: 2025-09-15 13:40:00+00:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "5c317a8c80df"
down_revision: str | tuple[str, ...] | None = "d876569d24c8"
branch_labels: str | tuple[str, ...] | None = None
depends_on: str | tuple[str, ...] | None = None


def upgrade() -> None:
    """Takes the database forward."""
    op.alter_column(
        "embeddings", "provider_name", existing_type=sa.String(40), type_=sa.String(255), existing_nullable=False
    )
    op.alter_column(
        "dataset_collection_bindings",
        "provider_name",
        existing_type=sa.String(40),
        type_=sa.String(255),
        existing_nullable=False,
    )


def downgrade() -> None:
    """Takes the database back."""
    # A narrower type does not cut by itself: without USING it fails on the first long name.
    for table in ("dataset_collection_bindings", "embeddings"):
        op.alter_column(
            table,
            "provider_name",
            existing_type=sa.String(255),
            type_=sa.String(40),
            existing_nullable=False,
            postgresql_using="left(provider_name, 40)",
        )
