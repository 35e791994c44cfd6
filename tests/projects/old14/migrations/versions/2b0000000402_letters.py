"""Count the letters of each name, through a session of the ORM.

Revision ID: 2b0000000402
"""
import sqlalchemy as sa
from alembic import op
from sqlalchemy import orm

revision = "2b0000000402"
down_revision = "1a0000000401"
branch_labels = None
depends_on = None

Base = orm.declarative_base()


class Member(Base):
    __tablename__ = "members"

    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(80), nullable=False)
    letters = sa.Column(sa.Integer)


def upgrade():
    op.add_column("members", sa.Column("letters", sa.Integer()))
    session = orm.Session(bind=op.get_bind(), future=True)
    for member in session.execute(sa.select(Member)).scalars():
        member.letters = len(member.name)
    session.flush()


def downgrade():
    op.drop_column("members", "letters")
