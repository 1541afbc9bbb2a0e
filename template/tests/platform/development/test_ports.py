"""One of two that begin at once gets the port, and who begins anew gets it again."""

import socket

from app.development.ports import is_taken, listen


def test_a_port_that_somebody_has_taken_is_refused_before_anybody_answers_there() -> None:
    first = listen(0)
    assert first is not None
    with first:
        port = first.getsockname()[1]
        assert is_taken(port)
        assert listen(port) is None


def test_a_port_is_free_again_although_its_last_connections_linger() -> None:
    first = listen(0)
    assert first is not None
    port = first.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)) as client:
        accepted, _ = first.accept()
        accepted.close()  # Who closes first keeps the connection for a minute, as the server does.
        assert client.recv(1) == b""
    first.close()
    again = listen(port)
    assert again is not None
    again.close()
