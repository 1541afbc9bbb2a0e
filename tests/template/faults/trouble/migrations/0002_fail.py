"""Create what raises any error of Postgres."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        "CREATE FUNCTION trouble.fail(state text) RETURNS void LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE EXCEPTION 'on purpose' USING ERRCODE = state; END $$"
    )


def downgrade() -> None:
    op.execute("DROP FUNCTION trouble.fail(text)")
