"""`python -m checks` prints every violation and exits with 1 if there is one."""

import sys

from importlinter.cli import lint_imports

from checks.sql import check_sql

imports_fail, sql_fails = lint_imports(no_logo=True), check_sql()
sys.exit(imports_fail or sql_fails)
