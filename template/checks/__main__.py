"""`python -m checks` prints every violation and exits with 1 if there is one.

`python -m checks boundaries`, `sql` or `flags` looks for one kind alone.
"""

import sys
from datetime import date

from importlinter.cli import lint_imports

from checks.faces import check_wiring
from checks.flags import check_flags, expired_flags
from checks.source import Violation
from checks.sql import check_sql

KINDS = ("boundaries", "sql", "flags")


def main(kinds: list[str]) -> None:
    """Look for these kinds of violations, or for all."""
    if unknown := set(kinds) - set(KINDS):
        raise SystemExit(f"no check is called {', '.join(unknown)}; there are {', '.join(KINDS)}")
    wanted = kinds or KINDS
    imports_fail = 0
    violations: set[Violation] = set()
    if "boundaries" in wanted:
        imports_fail = lint_imports(no_logo=True)
        violations.update(check_wiring())
    if "sql" in wanted:
        violations.update(check_sql())
    if "flags" in wanted:
        violations.update(check_flags())
    for violation in sorted(violations):
        print(violation)
    if "flags" in wanted:
        for violation in expired_flags(date.today()):
            print(f"Only a warning: {violation}")
    sys.exit(bool(imports_fail or violations))


main(sys.argv[1:])
