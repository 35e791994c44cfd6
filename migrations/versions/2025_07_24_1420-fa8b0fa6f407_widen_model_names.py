"""Widens model_name from 40 to 255 characters where embeddings name their model.

A longer limit on a varchar is a change of the catalogue only: no row is rewritten and no index is built again.

Loses on downgrade: the end of every model name longer than 40 characters, cut off; two cached embeddings that become
the same by that stop the downgrade.

Revision ID: fa8b0fa6f407
Revises: 48515cbb9553
Create Date: 2025-07-24 14:20:00+00:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "fa8b0fa6f407"
down_revision: str | tuple[str, ...] | None = "48515cbb9553"
branch_labels: str | tuple[str, ...] | None = None
depends_on: str | tuple[str, ...] | None = None


def upgrade() -> None:
    """Takes the database forward."""
    op.alter_column(
        "embeddings", "model_name", existing_type=sa.String(40), type_=sa.String(255), existing_nullable=False
    )
    op.alter_column(
        "dataset_collection_bindings",
        "model_name",
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
            "model_name",
            existing_type=sa.String(255),
            type_=sa.String(40),
            existing_nullable=False,
            postgresql_using="left(model_name, 40)",
        )
