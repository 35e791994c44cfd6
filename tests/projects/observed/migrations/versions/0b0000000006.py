"""One statement for each row

Revision ID: 0b0000000006
Revises: 0b0000000005
"""
import sqlalchemy as sa
from alembic import op

revision = "0b0000000006"
down_revision = "0b0000000005"
branch_labels = None
depends_on = None


def upgrade():
    connection = op.get_bind()
    for identifier, name in connection.execute(sa.text("SELECT id, name FROM customers ORDER BY id")).fetchall():
        connection.execute(
            sa.text("UPDATE customers SET code = :code WHERE id = :id"), {"code": name[:3] + str(identifier), "id": identifier}
        )


def downgrade():
    op.execute("UPDATE customers SET code = NULL")
