"""The environment Alembic runs migrations in: one module, in its own schema."""

from alembic import context

schema = context.config.attributes["schema"]


def _own_schema(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "schema" or name == schema


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes.get("metadata"),
    version_table_schema=schema,
    include_schemas=True,
    include_name=_own_schema,
    compare_server_default=True,
    on_version_apply=context.config.attributes.get("on_version_apply", ()),
)
with context.begin_transaction():
    context.run_migrations()
