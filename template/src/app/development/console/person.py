"""Whom the console sends requests as: anybody, whom the browser remembers."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode

from app.development.issuer import DevelopmentIssuer

_LONGEST_COOKIE = 3_500
"""Characters. Browsers drop what is longer than 4,096 bytes, and say nothing."""
_SCOPE = re.compile(r"[!#-\[\]-~]+")


class CannotSendError(Exception):
    """A form was filled in wrongly. The message says what to write."""


@dataclass(frozen=True)
class Person:
    """Whom a token speaks for, and what it allows."""

    subject: str
    scopes: Sequence[str]

    @classmethod
    def called(cls, subject: str, scopes: str) -> "Person":
        """Return somebody, or raise CannotSendError where no token could name them."""
        person = cls(subject.strip(), sorted({*scopes.split()}))
        if not (0 < len(person.subject) <= 255 and person.subject.isprintable()):
            raise CannotSendError("Say who sends the requests, in at most 255 characters: ada.")
        if odd := [each for each in person.scopes if not _SCOPE.fullmatch(each)]:
            raise CannotSendError(f"{odd[0]} is no scope: write orders:ship, several with spaces.")
        if len(person.as_cookie()) > _LONGEST_COOKIE:
            raise CannotSendError("These are more scopes than a browser remembers: choose fewer.")
        return person

    @classmethod
    def remembered(cls, cookie: str) -> "Person | None":
        """Return who stands in a cookie, if it is one of ours."""
        said = parse_qs(cookie)
        try:
            return cls.called(said["subject"][0], said.get("scopes", [""])[0])
        except (KeyError, CannotSendError):
            return None

    def as_cookie(self) -> str:
        """Return what a browser is to remember: who it is, and no token."""
        return urlencode({"subject": self.subject, "scopes": " ".join(self.scopes)})

    def token(self) -> str:
        """Return a token for a day."""
        return DevelopmentIssuer().token(self.subject, *self.scopes)

    def command(self) -> str:
        """Return what prints such a token in a terminal."""
        scopes = [part for scope in self.scopes for part in ("--scope", scope)]
        subject = [] if self.subject == "me" else ["--subject", self.subject]
        return shlex.join([".venv/bin/app", "token", *subject, *scopes])
