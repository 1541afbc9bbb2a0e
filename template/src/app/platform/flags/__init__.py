"""The modules' feature flags."""

from app.platform.flags.files import FILE, Flag, FlagsError, read_flags
from app.platform.flags.flags import Flags
from app.platform.flags.operators import USER
from app.platform.flags.provider import FlagFiles

__all__ = [
    "FILE",
    "USER",
    "Flag",
    "FlagFiles",
    "Flags",
    "FlagsError",
    "read_flags",
]
