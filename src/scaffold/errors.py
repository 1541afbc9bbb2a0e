"""The one error that a user is meant to see, and what a disk refuses in the same words."""

import errno


class ScaffoldError(Exception):
    """A refusal or a failure, in one sentence: what is wrong, where; what to do.

    Attributes:
        lines: what to add by hand, where that is the way out.
    """

    lines: str = ""


def of_disk(error: OSError) -> str:
    """One sentence for what the operating system refused."""
    remedy = {
        errno.ENOSPC: "free some space and try again",
        errno.EROFS: "make it writable, or work in a copy",
        errno.EACCES: "check who may write there",
    }.get(error.errno or 0, "mend that and try again")
    where = f" at {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{where}; {remedy}"
