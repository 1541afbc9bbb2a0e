"""`python -m checks` prints every violation and exits with 1 if there is one."""

import sys

from importlinter.application.use_cases import lint_imports
from importlinter.configuration import configure

configure()
sys.exit(not lint_imports(no_logo=True))
