"""Names the implementation."""

from app.platform.wiring import Module

from . import Ordering


class OrderingService(Ordering):
    """The implementation of `Ordering`."""


def build() -> Ordering:
    return OrderingService()


module = Module(build)
