"""The tables at head, as SQLAlchemy metadata: what autogenerate compares a database with.

A small application that keeps workspaces (tenants), the model providers they use with their encrypted credentials, and
datasets of documents. What names another row (``tenant_id``, ``credential_id``, ...) has no foreign key: see README.md.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, LargeBinary, MetaData, String, Text, UniqueConstraint, false, text, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING_CONVENTION = {
    "ix": "%(column_0_label)s_idx",
    "uq": "%(table_name)s_%(column_0_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s_check",
    "fk": "%(table_name)s_%(column_0_name)s_fkey",
    "pk": "%(table_name)s_pkey",
}

Identifier = Annotated[UUID, mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))]
Moment = Annotated[datetime, mapped_column(server_default=text("CURRENT_TIMESTAMP"))]
On = Annotated[bool, mapped_column(server_default=true())]
Off = Annotated[bool, mapped_column(server_default=false())]
Zero = Annotated[int, mapped_column(server_default=text("0"))]
LongText = Annotated[str, mapped_column(Text)]
String40 = Annotated[str, mapped_column(String(40))]
String64 = Annotated[str, mapped_column(String(64))]
String255 = Annotated[str, mapped_column(String(255))]


class Base(DeclarativeBase):
    """The parent of all tables."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class Changing:
    """A row that says when it was made and when it was last changed."""

    created_at: Mapped[Moment]
    updated_at: Mapped[Moment]


class Tenant(Changing, Base):
    """A workspace."""

    __tablename__ = "tenants"

    id: Mapped[Identifier]
    name: Mapped[String255]
    plan: Mapped[str] = mapped_column(String(255), server_default="basic")
    status: Mapped[str] = mapped_column(String(255), server_default="normal")


class Provider(Changing, Base):
    """A model provider of a workspace; its secret is the credential it points at."""

    __tablename__ = "providers"
    __table_args__ = (
        UniqueConstraint(
            "tenant_id", "provider_name", "provider_type", "quota_type", name="unique_provider_name_type_quota"
        ),
        Index("provider_tenant_id_provider_idx", "tenant_id", "provider_name"),
        Index("provider_credential_id_idx", "credential_id"),
    )

    id: Mapped[Identifier]
    tenant_id: Mapped[UUID]
    provider_name: Mapped[String255]
    provider_type: Mapped[str] = mapped_column(String(40), server_default="custom")
    is_valid: Mapped[Off]
    last_used: Mapped[datetime | None]
    quota_type: Mapped[str] = mapped_column(String(40), server_default="")
    quota_limit: Mapped[int | None] = mapped_column(BigInteger)
    quota_used: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    credential_id: Mapped[UUID | None]


class ProviderCredential(Changing, Base):
    """One credential in the pool a workspace keeps for a provider."""

    __tablename__ = "provider_credentials"
    __table_args__ = (Index("provider_credential_tenant_provider_idx", "tenant_id", "provider_name"),)

    id: Mapped[Identifier]
    tenant_id: Mapped[UUID]
    provider_name: Mapped[String255]
    credential_name: Mapped[String255]
    encrypted_config: Mapped[LongText]


class ProviderModel(Changing, Base):
    """A model of a provider that a workspace configured by itself."""

    __tablename__ = "provider_models"
    __table_args__ = (
        UniqueConstraint("tenant_id", "provider_name", "model_name", "model_type", name="unique_provider_model_name"),
    )

    id: Mapped[Identifier]
    tenant_id: Mapped[UUID]
    provider_name: Mapped[String255]
    model_name: Mapped[String255]
    model_type: Mapped[String40]
    encrypted_config: Mapped[LongText | None]
    is_valid: Mapped[Off]


class ProviderModelSetting(Changing, Base):
    """Switches of one model in one workspace."""

    __tablename__ = "provider_model_settings"
    __table_args__ = (
        Index("provider_model_setting_tenant_provider_model_idx", "tenant_id", "provider_name", "model_type"),
    )

    id: Mapped[Identifier]
    tenant_id: Mapped[UUID]
    provider_name: Mapped[String255]
    model_name: Mapped[String255]
    model_type: Mapped[String40]
    enabled: Mapped[On]
    load_balancing_enabled: Mapped[Off]


class LoadBalancingModelConfig(Changing, Base):
    """One of several configurations among which the calls of a model are shared out."""

    __tablename__ = "load_balancing_model_configs"
    __table_args__ = (
        Index("load_balancing_model_config_tenant_provider_model_idx", "tenant_id", "provider_name", "model_type"),
    )

    id: Mapped[Identifier]
    tenant_id: Mapped[UUID]
    provider_name: Mapped[String255]
    model_name: Mapped[String255]
    model_type: Mapped[String40]
    name: Mapped[String255]
    encrypted_config: Mapped[LongText | None]
    enabled: Mapped[On]
    credential_id: Mapped[UUID | None]


class TenantDefaultModel(Changing, Base):
    """The model a workspace takes when nobody names one."""

    __tablename__ = "tenant_default_models"
    __table_args__ = (UniqueConstraint("tenant_id", "model_type", name="unique_tenant_default_model_type"),)

    id: Mapped[Identifier]
    tenant_id: Mapped[UUID]
    provider_name: Mapped[String255]
    model_name: Mapped[String255]
    model_type: Mapped[String40]


class TenantPreferredModelProvider(Changing, Base):
    """Whether a workspace uses its own credentials of a provider or those of the system."""

    __tablename__ = "tenant_preferred_model_providers"
    __table_args__ = (Index("tenant_preferred_model_provider_tenant_provider_idx", "tenant_id", "provider_name"),)

    id: Mapped[Identifier]
    tenant_id: Mapped[UUID]
    provider_name: Mapped[String40]
    preferred_provider_type: Mapped[String40]


class ProviderOrder(Changing, Base):
    """A quota a workspace bought."""

    __tablename__ = "provider_orders"
    __table_args__ = (Index("provider_order_tenant_provider_idx", "tenant_id", "provider_name"),)

    id: Mapped[Identifier]
    tenant_id: Mapped[UUID]
    provider_name: Mapped[String255]
    quantity: Mapped[int] = mapped_column(server_default=text("1"))
    currency: Mapped[String40 | None]
    total_amount: Mapped[int | None]
    payment_status: Mapped[str] = mapped_column(String(40), server_default="wait_pay")


class Dataset(Changing, Base):
    """A body of documents that can be searched."""

    __tablename__ = "datasets"
    __table_args__ = (Index("dataset_tenant_idx", "tenant_id"),)

    id: Mapped[Identifier]
    tenant_id: Mapped[UUID]
    name: Mapped[String255]
    description: Mapped[LongText | None]
    indexing_technique: Mapped[String255 | None]
    created_by: Mapped[UUID]
    embedding_model: Mapped[String255 | None]
    embedding_model_provider: Mapped[String255 | None]
    collection_binding_id: Mapped[UUID | None]
    enable_api: Mapped[On]
    built_in_field_enabled: Mapped[Off]


class DatasetCollectionBinding(Base):
    """The vector collection that holds the embeddings of one model."""

    __tablename__ = "dataset_collection_bindings"
    __table_args__ = (Index("provider_model_name_idx", "provider_name", "model_name"),)

    id: Mapped[Identifier]
    provider_name: Mapped[String255]
    model_name: Mapped[String255]
    collection_name: Mapped[String64]
    created_at: Mapped[Moment]


class DatasetMetadata(Changing, Base):
    """A field that the documents of a dataset may carry."""

    __tablename__ = "dataset_metadatas"
    __table_args__ = (UniqueConstraint("dataset_id", "name", name="unique_dataset_metadata_name"),)

    id: Mapped[Identifier]
    tenant_id: Mapped[UUID]
    dataset_id: Mapped[UUID]
    type: Mapped[String255]
    name: Mapped[String255]
    created_by: Mapped[UUID]


class DatasetMetadataBinding(Base):
    """A document carries a field of its dataset."""

    __tablename__ = "dataset_metadata_bindings"
    __table_args__ = (
        UniqueConstraint("document_id", "metadata_id", name="unique_dataset_metadata_binding"),
        Index("dataset_metadata_binding_metadata_idx", "metadata_id"),
    )

    id: Mapped[Identifier]
    tenant_id: Mapped[UUID]
    dataset_id: Mapped[UUID]
    document_id: Mapped[UUID]
    metadata_id: Mapped[UUID]
    created_by: Mapped[UUID]
    created_at: Mapped[Moment]


class Document(Changing, Base):
    """A text in a dataset."""

    __tablename__ = "documents"
    __table_args__ = (Index("document_dataset_id_idx", "dataset_id"),)

    id: Mapped[Identifier]
    tenant_id: Mapped[UUID]
    dataset_id: Mapped[UUID]
    position: Mapped[int]
    name: Mapped[String255]
    word_count: Mapped[int | None]
    indexing_status: Mapped[str] = mapped_column(String(255), server_default="waiting")
    enabled: Mapped[On]
    created_by: Mapped[UUID]
    doc_type: Mapped[String40 | None]
    doc_metadata: Mapped[Any | None] = mapped_column(JSONB)


class DocumentSegment(Base):
    """A passage of a document."""

    __tablename__ = "document_segments"
    __table_args__ = (Index("document_segment_document_id_idx", "document_id"),)

    id: Mapped[Identifier]
    tenant_id: Mapped[UUID]
    dataset_id: Mapped[UUID]
    document_id: Mapped[UUID]
    position: Mapped[int]
    content: Mapped[LongText]
    word_count: Mapped[int]
    hit_count: Mapped[Zero]
    created_at: Mapped[Moment]


class Embedding(Base):
    """The vector of a text, kept so that it is not paid for twice."""

    __tablename__ = "embeddings"
    __table_args__ = (UniqueConstraint("model_name", "hash", "provider_name", name="embedding_hash_idx"),)

    id: Mapped[Identifier]
    hash: Mapped[String64]
    embedding: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[Moment]
    model_name: Mapped[str] = mapped_column(String(255), server_default="text-embedding-ada-002")
    provider_name: Mapped[str] = mapped_column(String(255), server_default="")


class ToolBuiltinProvider(Changing, Base):
    """Credentials of a tool that comes with the application."""

    __tablename__ = "tool_builtin_providers"
    __table_args__ = (UniqueConstraint("tenant_id", "provider", name="unique_builtin_tool_provider"),)

    id: Mapped[Identifier]
    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID]
    provider: Mapped[String255]
    encrypted_credentials: Mapped[LongText | None]


class ToolApiProvider(Changing, Base):
    """A tool that a workspace described by its API."""

    __tablename__ = "tool_api_providers"
    __table_args__ = (UniqueConstraint("tenant_id", "name", name="unique_api_tool_provider"),)

    id: Mapped[Identifier]
    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID]
    name: Mapped[String255]
    schema: Mapped[LongText]
    encrypted_credentials: Mapped[LongText | None]
    privacy_policy: Mapped[String255 | None]
