"""Adds the switch that closes a dataset to the API.

A constant default is kept in the catalogue since PostgreSQL 11: no row is rewritten, the table is locked for an
instant. It has nothing to do with the credential pool and stands between its expand and its contract because it was
finished in between, as happens.

Loses on downgrade: which datasets were closed to the API.

Revision ID: f161ed2aafe0
Revises: e8446f481c1e
Create Date: 2025-09-01 07:45:00+00:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "f161ed2aafe0"
down_revision: str | tuple[str, ...] | None = "e8446f481c1e"
branch_labels: str | tuple[str, ...] | None = None
depends_on: str | tuple[str, ...] | None = None


def upgrade() -> None:
    """Takes the database forward."""
    op.add_column("datasets", sa.Column("enable_api", sa.Boolean(), server_default=sa.true(), nullable=False))


def downgrade() -> None:
    """Takes the database back."""
    op.drop_column("datasets", "enable_api")
