"""One authenticated SELECT in other stacks, each as its own documentation or template writes it.

    python stacks.py NAME PORT

Each verifies a token with PyJWT, by the secret in SECRET, and answers `GET /customers/{id}` with
the caller's customer or 404. Runs in an environment of its own, under the server of the others.
"""

import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import jwt
import uvicorn

DATABASE, SECRET = os.environ["DATABASE_URL"], os.environ["SECRET"]
PSYCOPG = DATABASE.replace("postgresql://", "postgresql+psycopg://")
SELECT = (
    "SELECT id, email, name, closed_at IS NOT NULL FROM identity.customers"
    " WHERE id = $1 AND owner = $2"
)


@dataclass
class Customer:
    id: UUID
    email: str
    name: str
    is_closed: bool


def caller_of(header: str) -> str:
    claims = jwt.decode(header.removeprefix("Bearer "), SECRET, ["HS256"], audience="app")
    return str(claims["sub"])


def starlette() -> Any:
    """Starlette and asyncpg: no model of the answer, no description of the API."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with asyncpg.create_pool(DATABASE) as app.state.pool:
            yield

    async def get_customer(request: Request) -> JSONResponse:
        caller = caller_of(request.headers["authorization"])
        pool = request.app.state.pool
        async with pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(SELECT, UUID(request.path_params["id"]), caller)
        if row is None:
            return JSONResponse({"detail": "Not Found"}, 404)
        id, email, name, is_closed = row
        return JSONResponse({"id": str(id), "email": email, "name": name, "is_closed": is_closed})

    return Starlette(routes=[Route("/customers/{id}", get_customer)], lifespan=lifespan)


def fastapi() -> Any:
    """FastAPI and asyncpg."""
    from fastapi import Depends, FastAPI, HTTPException, Request

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(DATABASE) as app.state.pool:
            yield

    async def find_caller(request: Request) -> str:
        return caller_of(request.headers["authorization"])

    app = FastAPI(lifespan=lifespan)

    @app.get("/customers/{id}")
    async def get_customer(id: UUID, caller: Annotated[str, Depends(find_caller)]) -> Customer:
        pool = app.state.pool
        async with pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(SELECT, id, caller)
        if row is None:
            raise HTTPException(404)
        return Customer(*row)

    return app


def sqlmodel() -> Any:
    """full-stack-fastapi-template's: routes in threads, SQLModel's Session, psycopg."""
    from fastapi import Depends, FastAPI, HTTPException
    from fastapi.security import OAuth2PasswordBearer
    from sqlmodel import Field, Session, SQLModel, create_engine, select

    class Row(SQLModel, table=True):
        __tablename__ = "customers"
        __table_args__ = {"schema": "identity"}
        id: UUID = Field(primary_key=True)
        owner: str
        email: str
        name: str
        closed_at: datetime | None

    class CustomerPublic(SQLModel):
        id: UUID
        email: str
        name: str
        is_closed: bool

    engine = create_engine(PSYCOPG)
    bearer = OAuth2PasswordBearer(tokenUrl="/login")

    def get_db() -> Iterator[Session]:
        with Session(engine) as session:
            yield session

    def find_caller(token: Annotated[str, Depends(bearer)]) -> str:
        return caller_of(token)

    app = FastAPI()

    @app.get("/customers/{id}", response_model=CustomerPublic)
    def get_customer(
        id: UUID,
        session: Annotated[Session, Depends(get_db)],
        caller: Annotated[str, Depends(find_caller)],
    ) -> Any:
        row = session.exec(select(Row).where(Row.id == id, Row.owner == caller)).one_or_none()
        if row is None:
            raise HTTPException(404)
        return CustomerPublic(
            id=row.id, email=row.email, name=row.name, is_closed=row.closed_at is not None
        )

    return app


def litestar() -> Any:
    """litestar-fullstack's: Litestar, Advanced Alchemy's session and repository, psycopg."""
    import msgspec
    from advanced_alchemy.extensions.litestar import (
        AsyncSessionConfig,
        SQLAlchemyAsyncConfig,
        SQLAlchemyPlugin,
    )
    from advanced_alchemy.repository import SQLAlchemyAsyncRepository
    from litestar import Litestar, get
    from litestar.connection import ASGIConnection
    from litestar.exceptions import NotFoundException
    from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

    class Base(DeclarativeBase):
        pass

    class Row(Base):
        __tablename__ = "customers"
        __table_args__ = {"schema": "identity"}  # noqa: RUF012
        id: Mapped[UUID] = mapped_column(primary_key=True)
        owner: Mapped[str]
        email: Mapped[str]
        name: Mapped[str]
        closed_at: Mapped[datetime | None]

    class Repository(SQLAlchemyAsyncRepository[Row]):
        model_type = Row

    class Answer(msgspec.Struct):
        id: UUID
        email: str
        name: str
        is_closed: bool

    class Authentication(AbstractAuthenticationMiddleware):
        async def authenticate_request(
            self, connection: ASGIConnection[Any, Any, Any, Any]
        ) -> AuthenticationResult:
            token = connection.headers["authorization"]
            return AuthenticationResult(user=caller_of(token), auth=token)

    @get("/customers/{id:uuid}")
    async def get_customer(
        id: UUID, request: ASGIConnection[Any, Any, Any, Any], db_session: AsyncSession
    ) -> Answer:
        row = await Repository(session=db_session).get_one_or_none(id=id, owner=request.user)
        if row is None:
            raise NotFoundException
        return Answer(row.id, row.email, row.name, row.closed_at is not None)

    config = SQLAlchemyAsyncConfig(
        connection_string=PSYCOPG, session_config=AsyncSessionConfig(expire_on_commit=False)
    )
    return Litestar([get_customer], plugins=[SQLAlchemyPlugin(config)], middleware=[Authentication])


STACKS = {"starlette": starlette, "fastapi": fastapi, "sqlmodel": sqlmodel, "litestar": litestar}

if __name__ == "__main__":
    name, port = sys.argv[1:]
    uvicorn.run(STACKS[name](), port=int(port), access_log=False, log_level="warning")
