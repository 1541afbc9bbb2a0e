"""An OpenID Connect issuer on this machine, as real as the application can tell."""

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa


class Issuing:
    """Publishes its keys, and signs with any of them."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {"first": rsa.generate_private_key(65537, 2048)}
        self.asked = 0
        self.status = 200
        self.says_it_is: str | None = None
        self.odd: list[object] = []
        """What else stands among the keys."""
        self.agents: set[str | None] = set()
        """Who has asked."""
        issuing = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuing.asked += self.path == "/keys"
                issuing.agents.add(self.headers["User-Agent"])
                answer = issuing.published() if self.path == "/keys" else issuing.described()
                self.send_response(issuing.status)
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            def log_message(self, *_args: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def described(self) -> dict[str, str]:
        return {"issuer": self.says_it_is or self.url, "jwks_uri": f"{self.url}/keys"}

    def published(self) -> dict[str, list[Any]]:
        keys = [{**public(key), "kid": kid} for kid, key in self.keys.items()]
        return {"keys": [*self.odd, *keys]}

    def add(self, kid: str) -> None:
        self.keys[kid] = ec.generate_private_key(ec.SECP256R1())

    def token(
        self,
        kid: str | None = "first",
        key: Any = None,
        lasts: float = 60,
        header: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """Sign a token, good for so many seconds but for what is given; None leaves a claim out."""
        key = key or self.keys[kid or "first"]
        algorithm = "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "RS256"
        good = {"iss": self.url, "aud": "shop", "sub": "ada", "exp": time.time() + lasts}
        given = {name: value for name, value in {**good, **claims}.items() if value is not None}
        headers = {"kid": kid} if kid else {}
        return jwt.encode(given, key, algorithm, {**headers, **(header or {})})


def public(key: Any) -> dict[str, Any]:
    kind = jwt.algorithms.ECAlgorithm
    if isinstance(key, rsa.RSAPrivateKey):
        kind = jwt.algorithms.RSAAlgorithm  # type: ignore[assignment]
    return {**kind.to_jwk(key.public_key(), as_dict=True), "use": "sig"}
