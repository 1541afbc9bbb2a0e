"""What is left to do once a service has a database of its own, or has none any more, in order."""

from collections.abc import Iterator

from scaffold.carving.steps import Step, after_undoing
from scaffold.carving.work import Carved

_PAGE = "docs/carving-data.md"
_PSQL = "docker compose exec postgres psql --username=admin"
_NEEDS = {
    "app serve and app worker": "OWN_DATABASE_URL",
    "app migrate --own": "OWN_MIGRATION_DATABASE_URL as well, before they start",
    "app carve": "MIGRATION_DATABASE_URL and OWN_MIGRATION_DATABASE_URL as well",
}


def after_data(done: Carved) -> list[Step]:
    """Make the database, deploy, and only then move data, environment by environment."""
    return [*_made(done), *_deployed(done), *_at_hand(done), *_moved(done)]


def after_data_undone(done: Carved) -> list[Step]:
    """Deploy, and take away what nothing names any more."""
    return [("make check, then deploy: it knows the main database alone", []), *_gone(done)]


def after_uncarving(done: Carved) -> list[Step]:
    """As when a service is taken back, and its database with it."""
    return [*after_undoing(done), *_gone(done)]


def _made(done: Carved) -> Iterator[Step]:
    if done.deploy in ("compose", "both"):
        yield (
            "compose: make its database, on the same server, which starts anew and logs more",
            [
                "sh deploy/compose/passwords.sh && docker compose up --detach --wait postgres",
                f"{_PSQL} --dbname={done.product} --file=/docker-entrypoint-initdb.d/services.sql",
            ],
        )
    if done.deploy != "compose":
        own = f"{done.login}_{done.module}"
        yield (
            "make its database: on the same server, with the same admin, or on another",
            [
                f"CREATE ROLE \"{own}\" LOGIN NOINHERIT PASSWORD '…';  -- where it is missing",
                f'CREATE DATABASE "{own}" OWNER "admin";',
            ],
        )
        yield (
            "let both servers stream, each to the other, by the admins of both databases",
            [
                "wal_level = logical (SHOW wal_level says what it is; up to 18, they start anew)",
                'ALTER ROLE "admin" REPLICATION; GRANT pg_create_subscription TO "admin";',
            ],
        )


def _deployed(done: Carved) -> Iterator[Step]:
    if done.deploy in ("kubernetes", "both"):
        yield (
            "put into the secret store, for each environment",
            [
                f"{done.product}/{done.host}-app: own_database_url, with its login",
                f"{done.product}/{done.host}-migrate: own_migration_database_url, with its admin",
            ],
        )
        yield (
            "deploy: it knows both databases, and works in the main one",
            [
                "make manifests; where it counts too many connections, lower DATABASE_POOL_SIZE",
                "make deploy environment=staging …",
            ],
        )
    if done.deploy in ("compose", "both"):
        yield (
            "compose: it knows both, and works in the main one; .env has no REMOTE_MODULES",
            ["make up"],
        )
    if done.deploy == "none":
        yield (
            "set, where it runs, and deploy: it knows both databases, and works in the main one",
            [f"{what}: {needs}" for what, needs in _NEEDS.items()],
        )


def _at_hand(done: Carved) -> Iterator[Step]:
    """Where `app carve` is typed."""
    if done.deploy in ("kubernetes", "both"):
        pod = f"deployment/{done.host}-carve"
        inside = f"--namespace {done.product}-staging"
        yield (
            "have a pod with both admins' URLs, as long as you move data, and type there",
            [
                f"kubectl scale {pod} --replicas=1 {inside}",
                f"kubectl exec {pod} {inside} -- app carve look {done.module}",
            ],
        )
    if done.deploy in ("compose", "both"):
        yield (
            "compose: type like this, for `app carve`",
            [f"docker compose run --rm {done.host}-carve look {done.module}"],
        )


def _moved(done: Carved) -> Iterator[Step]:
    name, kept = done.module, "DIR" if done.deploy == "none" else f"/archive/{done.module}"
    yield f"move its data; {_PAGE} says what each step does", [f"app carve look {name}"]
    yield "copy them, while it works", [f"app carve copy {name}", f"app carve status {name}"]
    yield "cut over: requests wait for a moment", [f"app carve cut {name}"]
    yield (
        "days later, when you are sure: this drops the tables in the main database",
        [f"app carve confirm {name} --archive {kept}"],
    )
    yield (
        "back: until then by the first; from then on, and for all of it, the second says how",
        [f"app carve back {name}", f"scaffold uncarve {name}"],
    )


def _gone(done: Carved) -> Iterator[Step]:
    own, host = f"{done.login}_{done.module}", done.host
    if done.deploy in ("kubernetes", "both"):
        yield (
            "take away what its database had, in each namespace, and in the secret store",
            [
                f"kubectl delete job/{host}-migrate deployment/{host}-carve",
                f"{done.product}/{host}-migrate; own_database_url of {done.product}/{host}-app",
            ],
        )
    if done.deploy in ("compose", "both"):
        yield (
            "compose: forget its database",
            [f"rm -f .local/secrets/own_*database_url_{done.module}"],
        )
    yield "drop its database, as the admin, with a backup at hand", [f'DROP DATABASE "{own}";']
