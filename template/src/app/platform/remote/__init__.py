"""Modules that run in other processes: called through clients of their own Protocols, and answered.

Imported only where REMOTE_MODULES or REMOTE_KEYS is set.
"""

from typing import TYPE_CHECKING

from app.platform.lazy import lazily
from app.platform.remote.codec import Codec, CodecError, UnreadableError
from app.platform.remote.failures import Failures
from app.platform.remote.server import serve_modules

if TYPE_CHECKING:
    from app.platform.remote.client import Remote
else:  # httpx, which who only answers does not need.
    __getattr__ = lazily(__name__, {"client": ("Remote",)})

__all__ = ["Codec", "CodecError", "Failures", "Remote", "UnreadableError", "serve_modules"]
