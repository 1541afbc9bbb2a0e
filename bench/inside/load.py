"""Ask a web server for one thing, over and over, and count the answers.

    python load.py URL SECONDS TOKEN

Each connection asks again as soon as it has its answer. Imports little and parses less, so that the
machine has its time for the server.
"""

import selectors
import socket
import sys
import time
from urllib.parse import urlsplit

CONNECTIONS = 8


def main(url: str, seconds: float, token: str) -> int:
    """Return how many requests were answered. Exits with the first answer that is not 200."""
    parts = urlsplit(url)
    head = (
        f"GET {parts.path} HTTP/1.1",
        f"Host: {parts.netloc}",
        f"Authorization: Bearer {token}",
        "Accept: application/json",
    )
    request = "\r\n".join((*head, "", "")).encode()
    answered = 0
    with selectors.DefaultSelector() as selector:
        for _ in range(CONNECTIONS):
            connection = socket.create_connection((parts.hostname, parts.port))
            selector.register(connection, selectors.EVENT_READ, bytearray())
            connection.sendall(request)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            for key, _ in selector.select():
                connection, received = key.fileobj, key.data
                received += connection.recv(65536)
                if is_complete(received):
                    if not received.startswith(b"HTTP/1.1 200"):
                        sys.exit(received.decode())
                    answered += 1
                    received.clear()
                    connection.sendall(request)
    return answered


def is_complete(received: bytearray) -> bool:
    """Say whether a whole answer has arrived; every one has its length in a header."""
    head, found, body = received.partition(b"\r\n\r\n")
    if not found:
        return False
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return len(body) >= int(length)


if __name__ == "__main__":
    print(main(sys.argv[1], float(sys.argv[2]), sys.argv[3]))
