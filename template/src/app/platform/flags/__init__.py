"""The modules' feature flags."""

from typing import TYPE_CHECKING

from app.platform.lazy import lazily

if TYPE_CHECKING:
    from app.platform.flags.files import FILE, Flag, FlagsError, read_flags
    from app.platform.flags.flags import evaluate_with, Flags
    from app.platform.flags.operators import USER
    from app.platform.flags.provider import FlagFiles
else:  # OpenFeature, and flagd's evaluator; the checks want no telemetry.
    __getattr__ = lazily(
        __name__,
        {
            "files": ("FILE", "Flag", "FlagsError", "read_flags"),
            "flags": ("Flags", "evaluate_with"),
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
