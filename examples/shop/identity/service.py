"""The implementation of `Identity`."""

from uuid import UUID

from sqlalchemy import bindparam, func, select
from sqlalchemy.exc import IntegrityError

from app.platform.database import Database, Prepared, Tx
from app.platform.errors import violated
from app.platform.jobs import Events

from . import Customer, CustomerClosed, CustomerNotFound, CustomerRegistered, EmailTaken
from .tables import CustomerRow

# Every page says who is there: the one read that is hot enough to be prepared.
_CUSTOMER = Prepared(
    select(
        CustomerRow.id, CustomerRow.email, CustomerRow.name, CustomerRow.closed_at.is_not(None)
    ).where(CustomerRow.id == bindparam("id"), CustomerRow.owner == bindparam("owner"))
)


class IdentityService:
    def __init__(self, db: Database, events: Events) -> None:
        self._db = db
        self._events = events

    async def register_customer(self, tx: Tx, owner: str, email: str, name: str) -> Customer:
        row = CustomerRow(owner=owner, email=email.lower(), name=name)
        tx.add(row)
        try:
            await tx.flush()
        except IntegrityError as error:
            if violated(error) != "uq_customers_email":
                raise
            raise EmailTaken("There is a customer with this address already.") from error
        await self._events.publish(tx, CustomerRegistered(row.id, owner))
        return _customer(row)

    async def get_customer(self, owner: str, id: UUID) -> Customer:
        row = await self._db.fetch_one(_CUSTOMER, id=id, owner=owner)
        if row is None:
            raise _not_found(id)
        return Customer(*row)

    async def hold_customer(self, tx: Tx, owner: str, id: UUID) -> Customer:
        # FOR SHARE: any number of transactions can hold a customer, and closing waits for them.
        query = select(CustomerRow).where(CustomerRow.id == id, CustomerRow.owner == owner)
        query = query.with_for_update(read=True).execution_options(populate_existing=True)
        customer = _customer(_found(await tx.scalar(query), id))
        if customer.is_closed:
            raise CustomerClosed(f"The customer {id} is closed.")
        return customer

    async def close_customer(self, tx: Tx, id: UUID) -> None:
        row = await tx.get(CustomerRow, id, with_for_update=True, populate_existing=True)
        found = _found(row, id)
        if found.closed_at is None:
            found.closed_at = func.now()


def _found(row: CustomerRow | None, id: UUID) -> CustomerRow:
    if row is None:
        raise _not_found(id)
    return row


def _not_found(id: UUID) -> CustomerNotFound:
    return CustomerNotFound(f"There is no customer {id}.")


def _customer(row: CustomerRow) -> Customer:
    return Customer(row.id, row.email, row.name, is_closed=row.closed_at is not None)
