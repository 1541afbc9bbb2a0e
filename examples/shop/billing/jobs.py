"""What this module does later, or by the clock."""

from dataclasses import dataclass

from sqlalchemy import func, select

from app.platform.database import Tx
from app.platform.jobs import job

from .tables import AccountRow, EntryRow


@dataclass(frozen=True)
class Audit:
    accounts_shown: int = 10
    """How many of the accounts that are wrong the error names."""


class LedgerError(Exception):
    """Accounts owe something else than their entries add up to."""


@job(cron="0 3 * * *", retries=0, deadline=300)
async def audit_ledger(tx: Tx, audit: Audit) -> None:
    """Compare every account with its entries: where they differ, this job is held and says so."""
    booked = select(func.coalesce(func.sum(EntryRow.amount), 0)).where(
        EntryRow.customer_id == AccountRow.customer_id
    )
    wrong = select(AccountRow.customer_id).where(AccountRow.owed != booked.scalar_subquery())
    if customers := list(await tx.scalars(wrong.limit(audit.accounts_shown))):
        raise LedgerError(f"Owed and entries differ for {', '.join(map(str, customers))}.")
