"""Rates, remembered for the next revision.

Revision ID: 1a0000000901
"""
import sqlalchemy as sa
from alembic import op
import memory

revision = "1a0000000901"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    rates = op.create_table("rates", sa.Column("currency", sa.String(3), primary_key=True), sa.Column("rate", sa.Numeric(8, 4)))
    memory.rates["EUR"] = 1.08
    op.bulk_insert(rates, [{"currency": "EUR", "rate": memory.rates["EUR"]}])


def downgrade():
    op.drop_table("rates")
