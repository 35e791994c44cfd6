"""Drops providers.encrypted_config: from here on the credential pool is the only place of a secret (contract).

The secrets must have been moved before, by the backfill provider_credentials, and the application must read the pool.
This revision moves nothing. It makes sure, in its own transaction and after the lock that keeps writers out, so that
not even a row inserted a moment ago is lost; it refuses, and changes nothing, when
- a provider has a secret and points at no credential: run the backfill;
- a provider points at a credential that does not exist;
- a provider was changed after its credential and its secret differs: the application of yesterday stored a new secret
  after the backfill had copied the old one. README.md says how to take it over.
The check is SQL, so a script made with --sql makes it too.

Readers of providers wait while one query compares it with the pool: less than a second for 100,000 providers.

Loses on downgrade: nothing that was in the pool. The column comes back, as the last one of the table, with the secret
of the credential in use; providers is locked while it is filled. Blank texts (empty, or only white space) come back as
NULL. They and the other credentials of a provider were lost to the old application at the upgrade already.

Revision ID: 0e154742a5fa
Revises: f161ed2aafe0
Create Date: 2025-09-08 09:30:00+00:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0e154742a5fa"
down_revision: str | tuple[str, ...] | None = "f161ed2aafe0"
branch_labels: str | tuple[str, ...] | None = None
depends_on: str | tuple[str, ...] | None = None

SECRETS_ARE_IN_THE_POOL = r"""
DO $$
DECLARE
    unmoved bigint;
    dangling bigint;
    outdated bigint;
BEGIN
    SELECT count(*) FILTER (WHERE p.credential_id IS NULL),
           count(*) FILTER (WHERE p.credential_id IS NOT NULL AND c.id IS NULL),
           count(*) FILTER (WHERE p.updated_at > c.updated_at AND p.encrypted_config <> c.encrypted_config)
    INTO unmoved, dangling, outdated
    FROM providers p LEFT JOIN provider_credentials c ON c.id = p.credential_id
    WHERE p.credential_id IS NOT NULL OR btrim(p.encrypted_config, E' \t\n\r') <> '';
    IF unmoved + dangling + outdated > 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'providers.encrypted_config is still needed: '
                || unmoved || ' secrets are not in the pool, '
                || dangling || ' providers point at a credential that does not exist, '
                || outdated || ' secrets are newer than their copy in the pool',
            HINT = 'Run the backfill provider_credentials; migrations/README.md, The credential pool.';
    END IF;
END
$$
"""


def upgrade() -> None:
    """Takes the database forward."""
    # At once in the mode that DROP COLUMN needs: a weaker lock, raised later, deadlocks with "read, then write".
    op.execute("LOCK TABLE providers IN ACCESS EXCLUSIVE MODE")
    op.execute(SECRETS_ARE_IN_THE_POOL)
    op.drop_column("providers", "encrypted_config")


def downgrade() -> None:
    """Takes the database back."""
    op.add_column("providers", sa.Column("encrypted_config", sa.Text(), nullable=True))
    op.execute("""
        UPDATE providers p SET encrypted_config = c.encrypted_config
        FROM provider_credentials c
        WHERE c.id = p.credential_id
    """)
