"""HTTP: what surrounds the routes of the modules."""

from app.platform.web.access import create_tokens
from app.platform.web.health import health_routes, Probe
from app.platform.web.http import create_api
from app.platform.web.openapi import describe_api
from app.platform.web.serving import serve

__all__ = [
    "Probe",
    "create_api",
    "create_tokens",
    "describe_api",
    "health_routes",
    "serve",
]
