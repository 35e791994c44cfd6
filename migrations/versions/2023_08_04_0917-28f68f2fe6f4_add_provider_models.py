"""Adds models that a workspace configures by itself.

A provider may serve many models: their own secrets, the default model for each kind of work, the preference for own or
system credentials, and the quotas that were bought. Also the vector collection each embedding model writes to. Only
new tables: no lock that anybody waits for.

Loses on downgrade: the models, defaults, preferences, orders and collection bindings of every workspace.

Revision ID: 28f68f2fe6f4
Revises: 64b051264f32
Create Date: 2023-08-04 09:17:00+00:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "28f68f2fe6f4"
down_revision: str | tuple[str, ...] | None = "64b051264f32"
branch_labels: str | tuple[str, ...] | None = None
depends_on: str | tuple[str, ...] | None = None


def upgrade() -> None:
    """Takes the database forward."""
    op.create_table(
        "provider_models",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("provider_name", sa.String(255), nullable=False),
        sa.Column("model_name", sa.String(255), nullable=False),
        sa.Column("model_type", sa.String(40), nullable=False),
        sa.Column("encrypted_config", sa.Text(), nullable=True),
        sa.Column("is_valid", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", sa.DateTime(), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.Column("updated_at", sa.DateTime(), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="provider_models_pkey"),
        sa.UniqueConstraint(
            "tenant_id", "provider_name", "model_name", "model_type", name="unique_provider_model_name"
        ),
    )
    op.create_table(
        "tenant_default_models",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("provider_name", sa.String(255), nullable=False),
        sa.Column("model_name", sa.String(255), nullable=False),
        sa.Column("model_type", sa.String(40), nullable=False),
        sa.Column("created_at", sa.DateTime(), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.Column("updated_at", sa.DateTime(), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="tenant_default_models_pkey"),
        sa.UniqueConstraint("tenant_id", "model_type", name="unique_tenant_default_model_type"),
    )
    op.create_table(
        "tenant_preferred_model_providers",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("provider_name", sa.String(40), nullable=False),
        sa.Column("preferred_provider_type", sa.String(40), nullable=False),
        sa.Column("created_at", sa.DateTime(), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.Column("updated_at", sa.DateTime(), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="tenant_preferred_model_providers_pkey"),
    )
    op.create_index(
        "tenant_preferred_model_provider_tenant_provider_idx",
        "tenant_preferred_model_providers",
        ["tenant_id", "provider_name"],
    )
    op.create_table(
        "provider_orders",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("provider_name", sa.String(255), nullable=False),
        sa.Column("quantity", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("currency", sa.String(40), nullable=True),
        sa.Column("total_amount", sa.Integer(), nullable=True),
        sa.Column("payment_status", sa.String(40), server_default="wait_pay", nullable=False),
        sa.Column("created_at", sa.DateTime(), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.Column("updated_at", sa.DateTime(), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="provider_orders_pkey"),
    )
    op.create_index("provider_order_tenant_provider_idx", "provider_orders", ["tenant_id", "provider_name"])
    op.create_table(
        "dataset_collection_bindings",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("provider_name", sa.String(40), nullable=False),
        sa.Column("model_name", sa.String(40), nullable=False),
        sa.Column("collection_name", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="dataset_collection_bindings_pkey"),
    )
    op.create_index("provider_model_name_idx", "dataset_collection_bindings", ["provider_name", "model_name"])


def downgrade() -> None:
    """Takes the database back."""
    op.drop_table("dataset_collection_bindings")
    op.drop_table("provider_orders")
    op.drop_table("tenant_preferred_model_providers")
    op.drop_table("tenant_default_models")
    op.drop_table("provider_models")
