"""The pages that send requests: `/_dev/try`, as anybody, and `/docs`, which is Swagger's."""

from collections.abc import Callable
from urllib.parse import parse_qs

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from app.development.console.operations import Draft, operations_of
from app.development.console.pages import Pages
from app.development.console.person import CannotSendError, Person
from app.development.console.sending import Answer, send
from app.platform.settings import application_name

PATH = "/_dev/try"
_COOKIE = f"{application_name()}-console"
"""Applications on one machine share their cookies, whatever their ports are."""
_YEAR = 31_536_000
"""Seconds."""
_LONGEST_FORM = 1_000_000
"""Bytes."""
_FOR_SWAGGER = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""It writes styles into its page."""


class Trying:
    """Sends requests as whom the browser remembers, and at first as one who may do everything."""

    def __init__(self, api: FastAPI, pages: Pages, has_tokens: bool) -> None:
        self._api, self._pages, self._has_tokens = api, pages, has_tokens

    def routes(self) -> list[BaseRoute]:
        """Return what is served below `/_dev`, and `/docs`."""
        return [
            Route(PATH, self._show, methods=["GET"]),
            Route(PATH, self._send, methods=["POST"]),
            Route(f"{PATH}/as", self._sign_in, methods=["POST"]),
            Route("/docs", self._docs),
            # Not everybody who develops has a network.
            Mount("/_dev/docs", StaticFiles(packages=[("fastapi_offline", "static")])),
        ]

    async def _show(self, request: Request) -> Response:
        return self._page(request)

    async def _send(self, request: Request) -> Response:
        form = await _form(request)
        named = {each.name: each for found in operations_of(self._api).values() for each in found}
        operation = named.get(form("operation"))
        if operation is None or not self._has_tokens:
            return self._page(request, refused="There is no such operation here.")
        headers = {name: form(f"header {name}") for name in operation.headers}
        sent = Draft(operation, form("path"), form("body"), headers)
        try:
            answer = await send(self._api, sent, self._person(request))
        except CannotSendError as error:
            return self._page(request, sent, refused=str(error))
        return self._page(request, sent, answer)

    async def _sign_in(self, request: Request) -> Response:
        form = await _form(request)
        response = RedirectResponse(f"{PATH}#as", 303)
        if form("forget"):
            response.delete_cookie(_COOKIE, httponly=True, samesite="strict")
            return response
        try:
            person = Person.called(form("subject"), form("scopes"))
        except CannotSendError as error:
            return self._page(request, refused=str(error))
        response.set_cookie(_COOKIE, person.as_cookie(), _YEAR, httponly=True, samesite="strict")
        return response

    async def _docs(self, request: Request) -> Response:
        token = self._person(request).token() if self._has_tokens else ""
        page = self._pages.show("docs", {"token": token})
        page.headers["content-security-policy"] = _FOR_SWAGGER
        return page

    def _page(
        self,
        request: Request,
        sent: Draft | None = None,
        answer: Answer | None = None,
        refused: str = "",
    ) -> Response:
        person, offered = self._person(request), self._scopes()
        shown = {
            "operations": operations_of(self._api),
            "address": f"{request.url.scheme}://{request.url.netloc}",
            "has_tokens": self._has_tokens,
            "person": person,
            "is_remembered": _remembered(request) is not None,
            "token": person.token() if self._has_tokens else "",
            "offered": offered,
            "others": [scope for scope in person.scopes if scope not in offered],
            "sent": sent,
            "answer": answer,
            "refused": refused,
        }
        return self._pages.show("try", shown, 422 if refused else 200)

    def _person(self, request: Request) -> Person:
        return _remembered(request) or Person("me", self._scopes())

    def _scopes(self) -> list[str]:
        """Return every scope that a route asks for."""
        found = operations_of(self._api).values()
        return sorted({scope for some in found for each in some for scope in each.scopes})


def _remembered(request: Request) -> Person | None:
    return Person.remembered(request.cookies.get(_COOKIE, ""))


async def _form(request: Request) -> Callable[[str], str]:
    """Read a form. Returns what tells a field of it; what was ticked stands there with spaces."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST_FORM:
            body = b""
            break
    fields = parse_qs(body.decode(errors="replace"))
    return lambda name: " ".join(fields.get(name, []))
