"""Why nobody is let in."""

import math


class InvalidTokenError(Exception):
    """A token does not prove who sends it. The message says why, and nothing that is in it."""


class IssuerUnreachableError(Exception):
    """The issuer's keys are needed, and it does not answer. It is asked again in so many seconds."""

    def __init__(self, wait: float) -> None:
        self.wait = max(1, math.ceil(wait))
