"""What this `scaffold` was installed from, and how others know the template it came with."""

import json
import re
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from scaffold import addresses, bundled, git

DISTRIBUTION = "scaffold-monolith"
RELEASE = re.compile(r"v?\d+(?:\.\d+)*")
_CODE = Path(__file__).resolve().parents[2]


def checkout() -> Path | None:
    """The checkout that this code runs from, or was installed from, if it is there."""
    if _is_checkout(_CODE):
        return _CODE
    direct = _direct_url()
    path = Path(unquote(urlsplit(str(direct.get("url", ""))).path))
    return path if "dir_info" in direct and _is_checkout(path) else None


def _is_checkout(folder: Path) -> bool:
    return (folder / ".git").exists() and (folder / "copier.yml").is_file()


def is_of(folder: Path, source: str) -> bool:
    """Tell whether a checkout is of the repository that an address names."""
    names = git.run("remote", cwd=folder).split()
    urls = [git.run("remote", "get-url", name, cwd=folder) for name in names]
    known = [str(folder), *map(addresses.without_secret, urls)]
    return any(addresses.same(source, each) for each in known)


def known_as() -> tuple[str, str]:
    """The address and the version by which others know the template of an installed wheel."""
    direct = _direct_url()
    if asked := direct.get("vcs_info"):
        url = addresses.without_secret(str(direct["url"]))
        requested = str(asked.get("requested_revision", ""))
        version = requested if RELEASE.fullmatch(requested) else asked["commit_id"]
        return addresses.for_copier(url), version
    stated = stated_url()
    built = bundled.FILES.with_name("_commit")  # See hatch_build.py.
    version = built.read_text().strip() if built.is_file() else tag()
    return (addresses.for_copier(stated) if stated else bundled.ADDRESS), version


def tag() -> str:
    """The tag of the release that this is."""
    return f"v{metadata.version(DISTRIBUTION)}"


def _direct_url() -> dict[str, Any]:
    """Where an installer took this distribution from, if it was not an index."""
    try:
        found = metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return {}
    return json.loads(found or "{}")  # type: ignore[no-any-return]


def stated_url() -> str | None:
    """The address that the distribution states; who keeps a fork sets it in pyproject.toml."""
    try:
        stated = metadata.metadata(DISTRIBUTION).get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        return None
    for entry in stated:
        label, _, address = entry.partition(",")
        if label.strip().lower() in ("source", "repository"):
            return addresses.without_secret(address.strip())
    return None
