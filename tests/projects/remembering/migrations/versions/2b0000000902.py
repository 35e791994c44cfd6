"""Prices in euros, by the rate the revision before has left in memory.

Revision ID: 2b0000000902
"""
import sqlalchemy as sa
from alembic import op
import memory

revision = "2b0000000902"
down_revision = "1a0000000901"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table("prices", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("euros", sa.Numeric(8, 2)))
    op.execute(sa.text("INSERT INTO prices (euros) VALUES (:euros)").bindparams(euros=100 / memory.rates["EUR"]))


def downgrade():
    op.drop_table("prices")
