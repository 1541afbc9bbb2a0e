"""Add the module of a key.

Revision: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("idempotency_keys", sa.Column("module", sa.String()), schema="requests")


def downgrade() -> None:
    op.drop_column("idempotency_keys", "module", schema="requests")
