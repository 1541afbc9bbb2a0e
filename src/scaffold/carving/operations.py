"""What operations get with one more service, from what the repository has for its first."""

from collections.abc import Iterator

from scaffold.contents import Contents
from scaffold.removing.belongings import Belongings

_PIPELINES = (".github/workflows/ci.yml", ".gitlab-ci.yml")


def needed(name: str, owner: str, has: Belongings, contents: Contents) -> list[tuple[str, str]]:
    """What there will be one more of, and what that is."""
    return list(_needed(name, owner, has, contents))


def _needed(
    name: str, owner: str, has: Belongings, contents: Contents
) -> Iterator[tuple[str, str]]:
    models = [
        path for path in ("deploy/base/web.yaml", "deploy/base/worker.yaml") if path in contents
    ]
    if models:
        worker = " with a worker" if has.jobs or has.hears else ""
        yield "deployment", f"{name}{worker}, as in {' and '.join(models[: 1 + bool(worker)])}"
    if "compose.yaml" in contents:
        yield "service", f"{name}, in compose.yaml"
    if not models and "compose.yaml" not in contents:
        yield "deployment", f"{name}; the repository has no manifests to go by"
    pipeline = next((path for path in _PIPELINES if path in contents), "")
    yield "pipeline", f"a stage that releases it, in {pipeline or 'a pipeline: there is none'}"
    toml = f"src/app/modules/{name}/module.toml"
    yield (
        "SLO",
        f"of its calls, beside [slo] in {toml}" if has.objectives else f"none in {toml} yet",
    )
    routes = "observability/alertmanager.yml"
    where = routes if routes in contents else "your alerts"
    yield "alerts", f"a route to {owner or 'its owner'} in {where}: it can be down alone"
    yield "database", f"a login and a URL of its own, {name.upper()}_DATABASE_URL"
