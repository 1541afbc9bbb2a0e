"""The modules' feature flags."""

from typing import TYPE_CHECKING

from app.platform import lazily
from app.platform.flags.flags import evaluate_with, Flags

if TYPE_CHECKING:
    from app.platform.flags.files import FILE, Flag, FlagsError, read_flags
    from app.platform.flags.operators import USER
    from app.platform.flags.provider import FlagFiles
else:  # OpenFeature, and flagd's evaluator.
    __getattr__ = lazily(
        __name__,
        {
            "files": ("FILE", "Flag", "FlagsError", "read_flags"),
            "operators": ("USER",),
            "provider": ("FlagFiles",),
        },
    )

__all__ = [
    "FILE",
    "USER",
    "Flag",
    "FlagFiles",
    "Flags",
    "FlagsError",
    "evaluate_with",
    "read_flags",
]
