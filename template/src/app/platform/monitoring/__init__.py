"""What Prometheus asks, and who answers."""

from app.platform.monitoring.signals import Signals

__all__ = [
    "Signals",
]
