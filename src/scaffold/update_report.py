"""What is said of an update."""

import re
from collections.abc import Iterable
from typing import Any

from scaffold.reconcile import Conflict
from scaffold.update import Updated

_MOST = 20


def as_dict(done: Updated) -> dict[str, Any]:
    """The same for scripts."""
    return {
        "root": str(done.root),
        "from": done.old,
        "to": done.new,
        "current": done.is_current,
        "modules_behind": done.behind,
        "changed": done.changed,
        "conflicts": [_conflict(each) for each in done.conflicts],
        "moved": done.moved,
        "stays_deleted": done.stays_deleted,
        "kept": done.kept,
        "written_once": done.written_once,
        "defaults": done.defaults,
        "dependencies": done.bounds,
        "dropped": done.dropped,
        "left": done.left,
        "rewritten": done.rewritten,
        "to_do": [{"path": each.path, "line": each.line, "what": each.what} for each in done.to_do],
        "lacking": done.lacking,
        "changelog": done.changelog.splitlines(),
        "written": done.written,
        "commit": done.commit,
        "branch": done.branch,
    }


def _conflict(found: Conflict) -> dict[str, Any]:
    stages = found.stages
    return {
        "path": found.path,
        "kind": found.kind,
        "from": found.old,
        "to": found.new,
        "base": stages.base and stages.base[1],
        "yours": stages.ours and stages.ours[1],
        "template": stages.theirs and stages.theirs[1],
    }


def as_text(done: Updated, only: str) -> str:
    """For people. `only` is `check` or `dry-run` where nothing was to be written."""
    if done.is_current:
        lines = [f"Current: template {short(done.new)}.", *_left(done)]
        return "".join(f"{line}\n" for line in lines)
    return "".join(
        f"{line}\n" for line in [headline(done, only), *details(done), *_next(done, only)]
    )


def headline(done: Updated, only: str) -> str:
    """One line."""
    way = f"from template {short(done.old)} to {short(done.new)}"
    files = f"{len(done.changed)} files"
    if only == "check":
        return f"Behind: {way} is {files}."
    if only:
        return f"Would update {way}: {files}, {len(done.conflicts)} in conflict."
    if done.conflicts:
        return f"Update {way}: {files}, {len(done.conflicts)} in conflict."
    where = f" on the branch {done.branch}" if done.branch else ""
    return f"Updated {way}{where}: {files}."


def details(done: Updated) -> Iterable[str]:
    """What happened to what."""
    yield from _listed("Warning:", [done.lacking] if done.lacking else [])
    behind = [f"{module} was at {short(version)}" for module, version in done.behind.items()]
    yield from _listed("Modules at another version:", behind)
    yield from _left(done)
    yield from _listed("Moved:", [f"{old} -> {new}" for old, new in sorted(done.moved.items())])
    yield from _listed("Stay deleted, though the template changed them:", done.stays_deleted)
    yield from _listed("Kept as edited, though the template dropped them:", done.kept)
    yield from _listed(
        "Migrations that stay as databases have them (app make-migration writes what is missing):",
        done.written_once,
    )
    taken = [f"{name}: {value!r}" for name, value in done.defaults.items()]
    yield from _listed("New questions, answered by their defaults:", taken)
    yield from _listed("Dependencies:", done.bounds)
    gone = [f"{name}: {value!r}" for name, value in done.dropped.items()]
    yield from _listed("Answers that no question takes any more:", gone)
    yield from _listed("New in the template:", done.changelog.splitlines())
    rewritten = [f"{path}: {', '.join(what)}" for path, what in sorted(done.rewritten.items())]
    yield from _listed("Rewritten, for what moved:", rewritten)
    to_do = [f"{each.path}:{each.line}: {each.what}" for each in done.to_do]
    yield from _listed("Left to you:", to_do, most=len(to_do))
    conflicts = [
        f"{each.path}: {each.kind} "
        f"(yours since {short(each.old)}, the template's {short(each.new)})"
        for each in done.conflicts
    ]
    yield from _listed("Conflicts:", conflicts, most=len(conflicts))


def _left(done: Updated) -> Iterable[str]:
    left = [f"{module}: {why}" for module, why in sorted(done.left.items())]
    return _listed("Modules left alone:", left)


def _listed(title: str, lines: list[str], most: int = _MOST) -> Iterable[str]:
    if lines:
        yield title
        yield from (f"  {line}" for line in lines[:most])
        if len(lines) > most:
            yield f"  ... {len(lines) - most} more; --json lists all"


def _next(done: Updated, only: str) -> Iterable[str]:
    if only == "check":
        yield "Next: scaffold update"
    elif only:
        yield "Nothing was written."
    elif not done.written:
        yield "Nothing was written: a branch takes no conflict. Run it without --branch."
    elif done.conflicts:
        yield "Next: mend the files (git status), git add, git commit; or take all of it back:"
        yield "  git cherry-pick --abort"
    else:
        steps = [f"git switch {done.branch}"] if done.branch else []
        steps += ["what is left to you"] if done.to_do else []
        yield f"Next: {', then '.join([*steps, 'make check'])}"


def short(version: str) -> str:
    """A version as people read it: of a hash, what git shows."""
    return version[:10] if re.fullmatch(r"[0-9a-f]{40,64}", version) else version
