"""Indexes providers by the credential they use, without keeping writers out.

Before a credential is deleted the application asks who uses it. CREATE INDEX CONCURRENTLY cannot run in a transaction,
so it stands in an autocommit block and this revision does nothing else: what precedes such a block is committed even
when the block fails. It comes after the backfill: an index on the column would have made each of its updates dearer.

Deliberately without IF NOT EXISTS. A build that is cut short leaves an index of that name that is INVALID; with IF NOT
EXISTS the next attempt would keep it and call that success. Without it the next attempt fails and says that it exists:
drop it (DROP INDEX CONCURRENTLY provider_credential_id_idx) and run again.

Loses on downgrade: nothing, an index holds no data.

Revision ID: d876569d24c8
Revises: 0e154742a5fa
Create Date: 2025-09-10 11:05:00+00:00
"""

from __future__ import annotations

from alembic import op

revision: str = "d876569d24c8"
down_revision: str | tuple[str, ...] | None = "0e154742a5fa"
branch_labels: str | tuple[str, ...] | None = None
depends_on: str | tuple[str, ...] | None = None


def upgrade() -> None:
    """Takes the database forward."""
    with op.get_context().autocommit_block():
        op.create_index("provider_credential_id_idx", "providers", ["credential_id"], postgresql_concurrently=True)


def downgrade() -> None:
    """Takes the database back."""
    with op.get_context().autocommit_block():
        op.drop_index("provider_credential_id_idx", "providers", postgresql_concurrently=True)
