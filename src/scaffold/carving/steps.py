"""What is left to do once a module is carved, in order."""

from collections.abc import Iterator

from scaffold.carving.work import Carved

Step = tuple[str, list[str]]
"""What to do, and commands, statements or files."""
_KEY = 'printf \'%s:%s\' "$(date +%Y-%m)" "$(head -c 32 /dev/urandom | base64)"'
_PSQL = "docker compose exec postgres psql --username=admin"


def after_carving(done: Carved) -> list[Step]:
    """Try it, let it in, run it beside, and only then let calls go over."""
    return [_tried(done), *_logins(done), *_beside(done), *_over(done), _back(done)]


def after_carving_again(done: Carved) -> list[Step]:
    """What it calls is told by settings."""
    return [("make check, then deploy: it knows where to call them", [])]


def after_undoing(done: Carved) -> list[Step]:
    """Deploy, and take away what nothing names any more."""
    login = f"{done.login}_{done.module}"
    steps: list[Step] = [("make check, then deploy: what called it calls it in the process", [])]
    if done.deploy in ("kubernetes", "both") and done.services:
        names = sorted({*done.services, done.module})
        logins = " ".join(f"{each}={done.login}_{each}" for each in names)
        steps.insert(
            0,
            (
                "for that deployment alone, keep its login: it answers until its routes are back",
                [f"SERVICE_LOGINS={logins} in deploy/overlays/*/settings.env"],
            ),
        )
    if done.deploy in ("kubernetes", "both"):
        steps.append(
            (
                "take away what ran, in each namespace",
                [f"kubectl delete deployment,service,hpa,pdb --selector module={done.module}"],
            )
        )
    if done.deploy in ("compose", "both"):
        steps += [
            (f"compose: let the proxy send /{done.host} to 127.0.0.1:8000 again", ["make up"]),
            ("take away what ran", ["docker compose up --detach --wait --remove-orphans"]),
        ]
    if done.deploy == "none":
        steps.append(
            (
                f"let the rest serve /{done.host} again, without it in these, and stop what ran",
                [f"REMOTE_MODULES={done.module}=http://…", f"SERVICE_LOGINS={done.module}={login}"],
            )
        )
    steps.append(
        ("drop its login, as the admin", [f'DROP OWNED BY "{login}"; DROP ROLE "{login}";'])
    )
    return steps


def _tried(done: Carved) -> Step:
    commands = [f"make test remote={done.module}", f"app dev --remote {done.module}"]
    return "try it on this machine: the same tests, and the application in two processes", commands


def _logins(done: Carved) -> Iterator[Step]:
    login = f"{done.login}_{done.module}"
    if done.deploy in ("compose", "both"):
        yield (
            "compose: make its login and the key",
            [
                "sh deploy/compose/passwords.sh && docker compose up --detach --wait postgres",
                f"{_PSQL} --dbname={done.product} --file=/docker-entrypoint-initdb.d/services.sql",
            ],
        )
    if done.deploy != "compose":
        yield (
            "make its login, in each database, as the admin",
            [f"CREATE ROLE \"{login}\" LOGIN NOINHERIT PASSWORD '…';"],
        )
    if done.deploy in ("kubernetes", "both"):
        first = len(done.services) == 1
        key = [f"{done.product}/app: remote_keys, as this prints it: {_KEY}"] if first else []
        url = f"{done.product}/{done.host}-app: database_url, with that login"
        yield "put into the secret store, for each environment", [*key, url]
    if done.deploy == "none":
        needs = " ".join(f"{each}=http://…" for each in done.services[done.module]["needs"])
        yield (
            "set, where it runs: app serve and app worker, of the same image",
            [
                f"MODULES={done.module}",
                *([f"REMOTE_MODULES='{needs}'"] if needs else []),
                f"DATABASE_ROLES={done.login}",
                "DATABASE_URL, with that login",
                f"REMOTE_KEYS, the same everywhere, as this prints it: {_KEY}",
            ],
        )
        yield (
            "app migrate, with what lets the login in",
            [f"SERVICE_LOGINS={done.module}={login}"],
        )


def _beside(done: Carved) -> Iterator[Step]:
    if done.deploy in ("kubernetes", "both"):
        paused = len(done.services) == 1
        others = " ".join(
            f"{each}=http://{each.replace('_', '-')}-web"
            for each in done.services
            if each != done.module
        )
        commands = ["make manifests", "make deploy environment=staging …"]
        if not paused:
            commands.insert(0, f"REMOTE_MODULES={others} in deploy/overlays/*/settings.env")
        if done.overlays:
            commands.insert(0, f"by hand, in {', '.join(done.overlays)}: ../../services")
        yield "deploy: it runs beside, and is not called yet", commands
    if done.deploy in ("compose", "both"):
        yield "compose: run it beside, not called yet", ["REMOTE_MODULES= make up"]
    if done.deploy == "none":
        yield "deploy it; it runs beside, and is not called yet", []


def _over(done: Carved) -> Iterator[Step]:
    if done.deploy in ("kubernetes", "both"):
        yield (
            "deploy again, without REMOTE_MODULES in the overlay's settings.env: calls go over",
            ["make deploy environment=staging …"],
        )
    if done.deploy in ("compose", "both"):
        port = done.services[done.module]["port"]
        yield (
            f"compose: let the proxy send /{done.host} to 127.0.0.1:{port}, and calls go over",
            ["make up"],
        )
    if done.deploy == "none":
        yield (
            f"send /{done.host} there, not /_modules, and let the rest call it",
            [f"REMOTE_MODULES={done.module}=http://…"],
        )


def _back(done: Carved) -> Step:
    return (
        "back: REMOTE_MODULES= calls it in the process again; all of it is taken back by",
        [f"scaffold uncarve {done.module}"],
    )
