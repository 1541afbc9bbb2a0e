"""`python -m checks` prints every violation and exits with 1 if there is one."""

import sys
from datetime import date

from importlinter.cli import lint_imports

from checks.flags import check_flags, expired_flags
from checks.sql import check_sql, count_unread
from checks.wiring import check_wiring

imports_fail = lint_imports(no_logo=True)
violations = sorted({*check_flags(), *check_sql(), *check_wiring()})
for violation in violations:
    print(violation)
if unread := count_unread():
    print(f"SQL: {unread} statements could not be read; the roles guard those.")
for violation in expired_flags(date.today()):
    print(f"Only a warning: {violation}")
sys.exit(bool(imports_fail or violations))
