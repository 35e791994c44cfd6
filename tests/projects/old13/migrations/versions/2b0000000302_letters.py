"""Count the letters of each name, in SQLAlchemy's older style: text without text(), select([...]), rows by name.

Revision ID: 2b0000000302
"""
import sqlalchemy as sa
from alembic import op

revision = "2b0000000302"
down_revision = "1a0000000301"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("members", sa.Column("letters", sa.Integer()))
    connection = op.get_bind()
    members = sa.Table("members", sa.MetaData(bind=connection), autoload=True)
    for row in connection.execute(sa.select([members.c.id, members.c.name])):
        connection.execute("UPDATE members SET letters = %s WHERE id = %s", len(row["name"]), row["id"])


def downgrade():
    op.drop_column("members", "letters")
