"""What a pull request says of an update."""

from scaffold.fleet.forges import Request
from scaffold.update import Updated
from scaffold.update_report import details, headline, short

CONFLICT = "template-conflict"
CHECK_FAILED = "template-check-failed"
_MOST = 50_000  # characters; forges take about 65,000


def of(done: Updated, branch: str, into: str, failed: str) -> Request:
    """The pull request for an update; `failed` is the end of what `make check` printed."""
    version = short(done.new)
    conflicts = len(done.conflicts)
    title = f"Update to template {version}"
    labels = []
    if conflicts:
        title += f": {_files(conflicts)} in conflict"
        labels.append(CONFLICT)
    if failed:
        labels.append(CHECK_FAILED)
    return Request(branch, into, title, _body(done, branch, failed), labels, bool(labels))


def _body(done: Updated, branch: str, failed: str) -> str:
    report = "\n".join([headline(done, ""), *details(done)])
    if len(report) > _MOST:
        report = f"{report[:_MOST]}\n... `scaffold update --dry-run` shows the rest"
    parts = []
    if done.conflicts:
        parts.append(
            f"**{_files(len(done.conflicts))} cannot be merged without somebody who decides.** So "
            "this branch holds no change yet: nothing of the update is lost if it is merged, and "
            "nothing is done. To make the update:\n\n"
            f"```\ngit fetch && git switch {branch}\nmake update to={done.new}\n"
            "# mend the files that `git status` names\n"
            "git add --all && git commit --no-edit\nmake check && git push\n```"
        )
    else:
        parts.append("Nothing conflicts. Look at what is new, and merge it when its checks pass.")
    if failed:
        parts.append(f"`make check` fails with it:\n\n{_quoted(failed)}")
    parts.append(_quoted(report))
    return "\n\n".join(parts) + "\n"


def _quoted(text: str) -> str:
    return f"````\n{text}\n````"


def _files(number: int) -> str:
    return f"{number} file{'s' * (number != 1)}"
