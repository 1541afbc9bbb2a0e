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
        yield "deployment", f"{name}, web and worker, as in {' and '.join(models)}"
    if "compose.yaml" in contents:
        yield "service", f"{name}, web and worker, in compose.yaml"
    if not models and "compose.yaml" not in contents:
        yield "deployment", f"{name}, web and worker; the repository has no manifests to go by"
    pipeline = next((path for path in _PIPELINES if path in contents), "")
    yield "pipeline", f"it is rolled out first, in {pipeline or 'a pipeline: there is none'}"
    toml = f"src/app/modules/{name}/module.toml"
    yield (
        "SLO",
        f"of its calls, beside [slo] in {toml}" if has.objectives else f"none in {toml} yet",
    )
    yield "alerts", f"to {owner or 'its owner'}, by its label: it can be down alone"
    yield "database", "a login of its own, which may speak as it and as no other"
