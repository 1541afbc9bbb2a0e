"""Ports of this machine."""

import socket


def is_taken(port: int) -> bool:
    """Say whether something listens on a port already."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def listen(port: int) -> socket.socket | None:
    """Take a port, so that nobody else gets it; None where somebody has it.

    Who asks waits until somebody answers there.
    """
    if is_taken(port):
        return None
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # Its last connections may linger.
    try:
        taken.bind(("127.0.0.1", port))
        taken.listen()
    except OSError:
        taken.close()
        return None
    return taken
