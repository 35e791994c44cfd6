"""Adds the credential pool: a workspace may keep several credentials of one provider (expand).

First of three steps. This revision only adds: the table provider_credentials and, on providers and
load_balancing_model_configs, the credential in use. Nothing moves and nothing is dropped, so the application of
yesterday goes on working. Then the backfill provider_credentials copies each secret into the pool, in batches that
commit. Then 0e154742a5fa drops providers.encrypted_config (contract).

The original of this revision did all three in one transaction: providers was locked against readers until the last
secret had moved, and the only copy to compare with was dropped before anybody could look.

Columns without a default: each table is locked for an instant.

Loses on downgrade: every credential that no provider points at, the names and times of all credentials, and the links
of load balancing. A provider whose own encrypted_config is blank gets back the secret it points at.

Revision ID: e8446f481c1e
Revises: fa8b0fa6f407
Create Date: 2025-08-25 10:12:00+00:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "e8446f481c1e"
down_revision: str | tuple[str, ...] | None = "fa8b0fa6f407"
branch_labels: str | tuple[str, ...] | None = None
depends_on: str | tuple[str, ...] | None = None


def upgrade() -> None:
    """Takes the database forward."""
    op.create_table(
        "provider_credentials",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("provider_name", sa.String(255), nullable=False),
        sa.Column("credential_name", sa.String(255), nullable=False),
        sa.Column("encrypted_config", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.Column("updated_at", sa.DateTime(), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="provider_credentials_pkey"),
    )
    op.create_index("provider_credential_tenant_provider_idx", "provider_credentials", ["tenant_id", "provider_name"])
    op.add_column("providers", sa.Column("credential_id", sa.Uuid(), nullable=True))
    op.add_column("load_balancing_model_configs", sa.Column("credential_id", sa.Uuid(), nullable=True))


def downgrade() -> None:
    """Takes the database back."""
    # Where both exist the provider's own text stays: the application at this revision still writes it.
    op.execute(r"""
        UPDATE providers p SET encrypted_config = c.encrypted_config
        FROM provider_credentials c
        WHERE c.id = p.credential_id AND btrim(coalesce(p.encrypted_config, ''), E' \t\n\r') = ''
    """)
    op.drop_column("load_balancing_model_configs", "credential_id")
    op.drop_column("providers", "credential_id")
    op.drop_table("provider_credentials")
