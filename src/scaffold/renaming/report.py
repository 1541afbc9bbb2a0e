"""What a rename says of itself."""

from typing import Any

from scaffold.renaming.rename import Renamed

_MOST = 40


def as_dict(done: Renamed) -> dict[str, Any]:
    """For scripts."""
    return {
        "old": done.old,
        "new": done.new,
        "files": [
            {"path": file.path, **({"was": file.was} if file.was != file.path else {})}
            for file in done.files
        ],
        "left": [{"path": x.path, "line": x.line, "text": x.text} for x in done.left],
        "api": done.api,
        "doubts": done.doubts,
        "warnings": done.warnings,
        "commit": done.commit,
        "written": done.commit is not None,
    }


def as_text(done: Renamed, *, is_finish: bool) -> str:
    """For people."""
    if is_finish:
        said = "Finished" if done.commit else "Would finish"
        return (
            f"{said} the rename of {done.old} to {done.new}. Next: deploy; `app migrate` then "
            f"takes away what stood in for {done.old}, and the name is free again; clients that "
            "still ask under it get 404\n"
        )
    lines = [f"{'Renamed' if done.commit else 'Would rename'} {done.old} to {done.new}:"]
    for file in done.files:
        if file.was != file.path:
            also = ", changed" if file.before != file.after else ""
            lines.append(f"  renamed {file.was} -> {file.path}{also}")
        else:
            lines.append(f"  {'new    ' if file.before is None else 'changed'} {file.path}")
    if done.api:
        lines.append("Clients see other names, and may use the old addresses until --finish:")
        lines += [f"  {each}" for each in done.api]
    if done.doubts:
        lines.append("While both releases run, the one before would fail here:")
        lines += [f"  {each}" for each in done.doubts]
    if done.left:
        lines.append(f"Left as it is, since it need not mean the module ({len(done.left)}):")
        for each in done.left[:_MOST]:
            place = f"{each.path}:{each.line}" if each.line else each.path
            lines.append(f"  {place}: {each.text if each.line else 'is its name'}"[:160])
        if len(done.left) > _MOST:
            lines.append(f"  and {len(done.left) - _MOST} more, which --json lists")
    if done.commit:
        lines.append(
            f"Committed as {done.commit[:10]}; git reset --keep HEAD~1 takes it back, before it is "
            "pushed"
        )
        lines.append("Next: make check, then deploy; app migrate renames schema and roles")
        lines.append(f"Once no release of before runs: scaffold rename-module --finish {done.old}")
    return "".join(f"{line}\n" for line in lines)
