"""What the routes of modules are made of: pages, versions, problems."""

from app.platform.rest.descriptions import PROBLEM, problems
from app.platform.rest.pages import Page, PageQuery, UnknownCursor
from app.platform.rest.versions import IfMatch

__all__ = ["PROBLEM", "IfMatch", "Page", "PageQuery", "UnknownCursor", "problems"]
