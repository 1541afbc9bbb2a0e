"""How a template's address is written: by people, for Copier, and when two are the same.

Copier takes what neither ends in `.git` nor begins as one of its favourites for a folder; with
`git+` in front it asks git, which understands every address here.
"""

import re
from pathlib import Path
from urllib.parse import urlsplit

from scaffold.errors import ScaffoldError

_SHORT = {"gh:": "https://github.com/", "gl:": "https://gitlab.com/"}
_SCHEME = re.compile(r"(?:git\+)?[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_SSH = re.compile(r"(?:git\+)?(?:[\w.-]+@)?(?P<host>[\w.-]{2,}):(?P<path>[^\\].*)")
_KNOWN = ("git@", "git://", "https://github.com/", "https://gitlab.com/")
_SECRET = re.compile(r"(?:[?&;](?:access_|private_|auth_)?token=|[?&;]password=)", re.IGNORECASE)


def is_remote(given: str) -> bool:
    """Tell an address that git must be asked about from a folder, as git itself does."""
    if given.startswith(tuple(_SHORT)) or _SCHEME.match(given):
        return True
    return _SSH.fullmatch(given) is not None and not Path(given).exists()


def for_git(address: str) -> str:
    """The address as git takes it: shorthands spelled out, without Copier's `git+`."""
    for short, long in _SHORT.items():
        if address.startswith(short):
            path = address.removeprefix(short).strip("/")
            return f"{long}{path.removesuffix('.git')}.git"
    return address.removeprefix("git+")


def for_copier(address: str) -> str:
    """The address as it is recorded: Copier asks git for it, and Renovate understands most."""
    url = for_git(address)
    return url if url.endswith(".git") or url.startswith(_KNOWN) else f"git+{url}"


def check(address: str) -> None:
    """Refuse an address with a secret in it, without saying which."""
    if has_secret(address):
        raise ScaffoldError(
            f"the address {redact(address)} holds a user name, password or token, which would be "
            "committed and shown; leave it out, and let git know it: `git config --global "
            "credential.helper store`, or in CI `git config --global url.<with it>.insteadOf "
            "<without>`"
        )


def has_secret(address: str) -> bool:
    """Tell whether an address says more than where. Over HTTP a user's name may be a token."""
    url = for_git(address)
    if _SECRET.search(url):
        return True
    if not _SCHEME.match(url):
        return False
    user, at, _ = urlsplit(url).netloc.rpartition("@")
    return bool(at) and (":" in user or url.lower().startswith("http"))


def without_secret(address: str) -> str:
    """The address without what `has_secret` finds."""
    if not has_secret(address):
        return address
    bare = re.sub(r"(?<=://)[^/]*@(?=[^/@]*)", "", address, count=1)
    return bare.partition("?")[0] if _SECRET.search(bare) else bare


def redact(text: str) -> str:
    """Take the secrets out of the addresses in a text."""
    text = re.sub(r"(?i)(https?://)[^/\s'\"]+@", r"\1***@", text)
    text = re.sub(r"(?i)([a-z+]+://[^/\s:@'\"]+):[^/\s'\"]+@", r"\1:***@", text)
    return re.sub(r"(?i)([?&;](?:\w*token|password)=)[^&\s'\"]+", r"\1***", text)


def same(one: str, other: str) -> bool:
    """Tell whether two addresses name one repository: by SSH or HTTP, with `.git` or without."""
    return one == other or key(one) == key(other)


def key(address: str) -> tuple[str, str]:
    """Host and path of an address: of all that name one repository, the same."""
    url = for_git(address)
    if _SCHEME.match(url):
        parts = urlsplit(url)
        host, path = parts.hostname or "", parts.path
    elif found := _SSH.fullmatch(url):
        host, path = found["host"].lower(), found["path"]
    else:
        return "", str(Path(url).expanduser())
    return host, path.strip("/").removesuffix(".git")
