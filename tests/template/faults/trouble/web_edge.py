"""Routes that answer oddly."""

from app.platform.database import Database
from fastapi import APIRouter


def routes(db: Database) -> APIRouter:
    return APIRouter()
