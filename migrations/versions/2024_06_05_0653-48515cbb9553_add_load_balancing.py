"""Adds load balancing: several configurations share out the calls of one model.

A workspace that meets the rate limit of one key may add others. Only new tables: no lock that anybody waits for.

Loses on downgrade: the switches of all models and every load balancing configuration with its secret.

Revision ID: 48515cbb9553
Revises: 600ee3353be4
Create Date: 2024-06-05 06:53:00+00:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "48515cbb9553"
down_revision: str | tuple[str, ...] | None = "600ee3353be4"
branch_labels: str | tuple[str, ...] | None = None
depends_on: str | tuple[str, ...] | None = None


def upgrade() -> None:
    """Takes the database forward."""
    op.create_table(
        "provider_model_settings",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("provider_name", sa.String(255), nullable=False),
        sa.Column("model_name", sa.String(255), nullable=False),
        sa.Column("model_type", sa.String(40), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("load_balancing_enabled", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", sa.DateTime(), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.Column("updated_at", sa.DateTime(), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="provider_model_settings_pkey"),
    )
    op.create_index(
        "provider_model_setting_tenant_provider_model_idx",
        "provider_model_settings",
        ["tenant_id", "provider_name", "model_type"],
    )
    op.create_table(
        "load_balancing_model_configs",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("provider_name", sa.String(255), nullable=False),
        sa.Column("model_name", sa.String(255), nullable=False),
        sa.Column("model_type", sa.String(40), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("encrypted_config", sa.Text(), nullable=True),
        sa.Column("enabled", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("created_at", sa.DateTime(), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.Column("updated_at", sa.DateTime(), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="load_balancing_model_configs_pkey"),
    )
    op.create_index(
        "load_balancing_model_config_tenant_provider_model_idx",
        "load_balancing_model_configs",
        ["tenant_id", "provider_name", "model_type"],
    )


def downgrade() -> None:
    """Takes the database back."""
    op.drop_table("load_balancing_model_configs")
    op.drop_table("provider_model_settings")
