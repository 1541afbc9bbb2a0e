"""The web server, in one process or in several that share a port."""

import math

import uvicorn
from uvicorn.supervisors import Multiprocess


def serve(app: str, host: str, port: int, processes: int, shutdown_timeout: float) -> None:
    """Serve the application that a function makes, named `module:function`, until SIGTERM.

    Then no more connections are accepted, and running requests have `shutdown_timeout` seconds.
    """
    config = uvicorn.Config(
        app,
        factory=True,
        host=host,
        port=port,
        workers=processes,
        timeout_graceful_shutdown=math.ceil(shutdown_timeout),
    )
    if processes == 1:
        uvicorn.Server(config).run()
    else:
        _Processes(config, [config.bind_socket()]).run()


class _Processes(Multiprocess):
    """Closes the port as soon as it is told to stop.

    It would stay open until the last request has come to its end, and callers who could go to
    another instance would wait for an answer that never comes.
    """

    def terminate_all(self) -> None:
        for shared in self.sockets:
            shared.close()
        super().terminate_all()
