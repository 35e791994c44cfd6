"""${message}.

Say in plain words what changes and why, which locks it takes and for how long, and what must be true before.

Loses on downgrade: say what, or: nothing.

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
Create Date: ${create_date}
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision: str = ${repr(up_revision)}
down_revision: str | tuple[str, ...] | None = ${repr(down_revision)}
branch_labels: str | tuple[str, ...] | None = ${repr(branch_labels)}
depends_on: str | tuple[str, ...] | None = ${repr(depends_on)}


def upgrade() -> None:
    """Takes the database forward."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Takes the database back."""
    ${downgrades if downgrades else "pass"}
