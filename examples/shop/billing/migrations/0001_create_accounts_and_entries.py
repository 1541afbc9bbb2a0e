"""Create accounts and entries.

Revision: 0001
Revises: nothing
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("owed", sa.Numeric(14, 2), nullable=False),
        sa.Column("credit_limit", sa.Numeric(14, 2), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", name="pk_accounts"),
        sa.CheckConstraint("owed <= credit_limit", name=op.f("ck_accounts_within_limit")),
        schema="billing",
    )
    op.create_table(
        "entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("amount", sa.Numeric(14, 2), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column(
            "booked_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name="pk_entries"),
        sa.UniqueConstraint("order_id", "kind", name="uq_entries_order_id_kind"),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["billing.accounts.customer_id"], name="fk_entries_customer_id"
        ),
        schema="billing",
    )
    op.create_index("ix_billing_entries_customer_id", "entries", ["customer_id"], schema="billing")


def downgrade() -> None:
    op.drop_table("entries", schema="billing")
    op.drop_table("accounts", schema="billing")
