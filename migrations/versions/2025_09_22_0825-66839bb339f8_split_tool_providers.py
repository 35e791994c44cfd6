"""Splits tool_providers into the tools that come with the application and the tools described by an API.

The two kinds had less and less in common: one has a schema, the other never. The rows move in this transaction because
they are few (a handful per workspace); a table of millions would be expand, backfill, contract. The old table is
locked first, so nobody can write to what is being left, and dropped last, and only when every row has arrived: a row
of a third kind would stop the revision.

Loses on downgrade: the privacy policies of API tools; the old table has no place for them.

Revision ID: 66839bb339f8
Revises: 5c317a8c80df
Create Date: 2025-09-22 08:25:00+00:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "66839bb339f8"
down_revision: str | tuple[str, ...] | None = "5c317a8c80df"
branch_labels: str | tuple[str, ...] | None = None
depends_on: str | tuple[str, ...] | None = None

EVERY_ROW_HAS_ARRIVED = """
DO $$
BEGIN
    IF (SELECT count(*) FROM tool_providers)
        <> (SELECT count(*) FROM tool_builtin_providers) + (SELECT count(*) FROM tool_api_providers)
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'tool_providers holds rows that are neither of kind builtin nor of kind api',
            HINT = 'SELECT kind, count(*) FROM tool_providers GROUP BY kind shows them.';
    END IF;
END
$$
"""


def upgrade() -> None:
    """Takes the database forward."""
    op.execute("LOCK TABLE tool_providers IN ACCESS EXCLUSIVE MODE")
    op.create_table(
        "tool_builtin_providers",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(255), nullable=False),
        sa.Column("encrypted_credentials", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.Column("updated_at", sa.DateTime(), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="tool_builtin_providers_pkey"),
        sa.UniqueConstraint("tenant_id", "provider", name="unique_builtin_tool_provider"),
    )
    op.create_table(
        "tool_api_providers",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("schema", sa.Text(), nullable=False),
        sa.Column("encrypted_credentials", sa.Text(), nullable=True),
        sa.Column("privacy_policy", sa.String(255), nullable=True),
        sa.Column("created_at", sa.DateTime(), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.Column("updated_at", sa.DateTime(), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="tool_api_providers_pkey"),
        sa.UniqueConstraint("tenant_id", "name", name="unique_api_tool_provider"),
    )
    op.execute("""
        INSERT INTO tool_builtin_providers
            (id, tenant_id, user_id, provider, encrypted_credentials, created_at, updated_at)
        SELECT id, tenant_id, user_id, name, encrypted_credentials, created_at, updated_at
        FROM tool_providers WHERE kind = 'builtin'
    """)
    op.execute("""
        INSERT INTO tool_api_providers
            (id, tenant_id, user_id, name, schema, encrypted_credentials, created_at, updated_at)
        SELECT id, tenant_id, user_id, name, coalesce(schema, ''), encrypted_credentials, created_at, updated_at
        FROM tool_providers WHERE kind = 'api'
    """)
    op.execute(EVERY_ROW_HAS_ARRIVED)
    op.drop_table("tool_providers")


def downgrade() -> None:
    """Takes the database back."""
    op.execute("LOCK TABLE tool_builtin_providers, tool_api_providers IN ACCESS EXCLUSIVE MODE")
    op.create_table(
        "tool_providers",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("schema", sa.Text(), nullable=True),
        sa.Column("encrypted_credentials", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.Column("updated_at", sa.DateTime(), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="tool_providers_pkey"),
        sa.UniqueConstraint("tenant_id", "kind", "name", name="unique_tool_provider"),
    )
    op.execute("""
        INSERT INTO tool_providers
            (id, tenant_id, user_id, kind, name, encrypted_credentials, created_at, updated_at)
        SELECT id, tenant_id, user_id, 'builtin', provider, encrypted_credentials, created_at, updated_at
        FROM tool_builtin_providers
    """)
    op.execute("""
        INSERT INTO tool_providers
            (id, tenant_id, user_id, kind, name, schema, encrypted_credentials, created_at, updated_at)
        SELECT id, tenant_id, user_id, 'api', name, schema, encrypted_credentials, created_at, updated_at
        FROM tool_api_providers
    """)
    op.drop_table("tool_api_providers")
    op.drop_table("tool_builtin_providers")
