"""${message[:1].upper() + message[1:]}.

Revision: ${up_revision}
Revises: ${down_revision or "nothing"}
"""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
% if allowed:
allowed = ${allowed}
% endif


def upgrade() -> None:
    ${upgrades}


def downgrade() -> None:
    ${downgrades}
