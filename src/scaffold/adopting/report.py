"""What is said of a repository that is adopted."""

from typing import Any

from scaffold.adopting.adopt import Adoption, Found
from scaffold.adopting.fit import Fit

_SHOWN = 20
_KINDS = ("example", "bare", "entity")


def as_text(found: Adoption) -> str:
    """Which version fits, how well, and which answers it takes, for the eye."""
    lines = [f"{found.source} {found.app.version} fits {found.root}: {_counted(found.app.fit)}"]
    if found.app.is_new:
        lines += [f"  {name}: {value}" for name, value in found.app.answers.items()]
    for name, module in found.modules.items():
        at = "" if module.version == found.app.version else f", at {module.version}"
        kind = next((each for each in _KINDS if module.answers.get(each)), "")
        kept = f"{kind} {module.answers[kind]}" if kind else "as it was made"
        lines.append(f"Module {name}{at} ({kept}): {_counted(module.fit)}")
    lines += [f"Module {name} is left alone: {reason}" for name, reason in found.left.items()]
    fits = [found.app.fit, *(module.fit for module in found.modules.values())]
    for what, paths in (
        ("Edited, and so merged by updates", [path for fit in fits for path in fit.edited]),
        ("Missing, and not brought back", [path for fit in fits for path in fit.missing]),
    ):
        if paths:
            lines.append(f"{what}:")
            lines += [f"  {path}" for path in sorted(paths)[:_SHOWN]]
        if (more := len(paths) - _SHOWN) > 0:
            lines.append(f"  and {more} more: --json lists all of them")
    return "\n".join(lines) + "\n"


def as_dict(found: Adoption) -> dict[str, Any]:
    """The same, for scripts."""
    return {
        "template": {"source": found.source, "version": found.app.version},
        "app": _as_dict(found.app),
        "modules": {name: _as_dict(module) for name, module in found.modules.items()},
        "left": found.left,
        "files": [change.path for change in found.changes],
        "warnings": list(found.warnings),
        "written": found.written,
    }


def _as_dict(found: Found) -> dict[str, Any]:
    return {
        "version": found.version,
        "answers": found.answers,
        "lost": found.is_new,
        "equal": found.fit.equal,
        "edited": {path: round(alike, 2) for path, alike in sorted(found.fit.edited.items())},
        "missing": sorted(found.fit.missing),
    }


def _counted(fit: Fit) -> str:
    return (
        f"{fit.equal} of {fit.total} files as it makes them, {len(fit.edited)} edited, "
        f"{len(fit.missing)} missing"
    )
