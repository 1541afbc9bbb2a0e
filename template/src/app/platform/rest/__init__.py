"""What the routes of modules are made of: pages, versions, problems."""

from app.platform.rest.descriptions import CONTENT, NAME, problems, SCHEMA
from app.platform.rest.pages import Page, PageQuery, UnknownCursor
from app.platform.rest.versions import IfMatch

__all__ = [
    "CONTENT",
    "NAME",
    "SCHEMA",
    "IfMatch",
    "Page",
    "PageQuery",
    "UnknownCursor",
    "problems",
]
