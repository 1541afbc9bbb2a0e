"""Where the template of a new repository comes from.

What is found here is recorded in the repository and read again by every later update, so it is
always an absolute path or a URL, at a version that can be found there again.
"""

import json
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

from scaffold import git
from scaffold.errors import ScaffoldError

DISTRIBUTION = "scaffold-monolith"
_CODE = Path(__file__).resolve().parents[2]
_URL = re.compile(r"(?:git\+)?[a-z][a-z+]*://|git@|gh:|gl:|[\w.-]+@[\w.-]+:")


@dataclass(frozen=True)
class Origin:
    """A template's source, and the version to take (none: the newest release)."""

    source: str
    version: str | None


def find(given: str | None, version: str | None) -> Origin:
    """The template to use: the given one (path or URL), or the one `scaffold` itself came with."""
    if given is None:
        return _own(version)
    if _URL.match(given):
        return Origin(given, version)
    path = Path(given).expanduser().resolve()
    need_local(str(path))
    if version is None and git.tags(path):
        return Origin(str(path), None)
    return Origin(str(path), version if version not in (None, "HEAD") else _committed_head(path))


def need_local(source: str) -> None:
    """Refuse a source that is a path but no git repository (any more). URLs are not looked at."""
    if _URL.match(source):
        return
    path = Path(source).expanduser()
    if not path.is_absolute():
        raise ScaffoldError(
            f"the template is recorded as the relative path {source!r}, which means nothing later; "
            "write its absolute path or URL as _src_path"
        )
    if not path.exists():
        raise ScaffoldError(
            f"the template {path} is not there; put it back, or name its new place (absolute path "
            "or URL)"
        )
    if path.is_dir() and not git.is_root(path):
        raise ScaffoldError(
            f"the template {path} is not the top of a git repository, so later updates could not "
            "find their versions; run git init and commit there, or name another"
        )


def _own(version: str | None) -> Origin:
    """The template that this installation came with."""
    if _is_checkout(_CODE):
        return Origin(str(_CODE), version or _committed_head(_CODE))
    try:
        installed = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        raise _unknown() from None
    direct = json.loads(installed.read_text("direct_url.json") or "{}")
    url = str(direct.get("url", ""))
    if "vcs_info" in direct:
        return Origin(_for_copier(url), version or direct["vcs_info"]["commit_id"])
    if "dir_info" in direct and _is_checkout(path := Path(unquote(urlsplit(url).path))):
        return Origin(str(path), version or _committed_head(path))
    for entry in installed.metadata.get_all("Project-URL") or []:
        label, _, address = entry.partition(",")
        if label.strip().lower() in ("source", "repository"):
            return Origin(_for_copier(address.strip()), version or f"v{installed.version}")
    raise _unknown()


def _is_checkout(folder: Path) -> bool:
    return (folder / ".git").exists() and (folder / "copier.yml").is_file()


def _committed_head(path: Path) -> str:
    """The checked-out commit. Copier would record a throw-away one for uncommitted changes."""
    commit = git.head(path)
    changed = git.changes(path, "copier.yml", "template", "examples/shop")
    if changed:
        raise ScaffoldError(
            f"the template {path} has uncommitted changes ({changed[0].strip()}); "
            "commit them, or pass --ref with a version to use instead"
        )
    return commit


def _for_copier(url: str) -> str:
    """Spell a git URL so that Copier does not take it for a folder."""
    known = url.endswith(".git") or url.startswith(("https://github.com/", "https://gitlab.com/"))
    return url if known else f"git+{url}"


def _unknown() -> ScaffoldError:
    return ScaffoldError(
        "this installation of scaffold does not say which template it came with; "
        "name one with --from PATH-OR-URL"
    )


def history(source: str) -> Path:
    """A git repository on this machine that has the versions of a template."""
    need_local(source)
    return Path(source)
