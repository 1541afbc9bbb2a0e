"""An application that reaches its Postgres through a network that fails."""

import re

from generated import Repository
from tcp_proxy import TcpProxy


def network_of(production: Repository) -> TcpProxy:
    """Return the network between an application and its Postgres, to be entered."""
    host, port = re.search(r"@([^/:]+):(\d+)/", production.environment["DATABASE_URL"]).groups()
    return TcpProxy(host, int(port))


def through(production: Repository, proxy: TcpProxy, **settings: str) -> Repository:
    """Return the same application, which reaches its database through the proxy."""
    urls = {
        name: proxy.url(production.environment[name])
        for name in ("DATABASE_URL", "MIGRATION_DATABASE_URL")
    }
    environment = {**production.environment, **urls, "METRICS_PORT": "0", **settings}
    return Repository(production.path, environment)
