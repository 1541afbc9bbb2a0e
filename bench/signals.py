"""What logs, metrics and traces cost: one SELECT per request, with more and more of them.

    python bench/signals.py

Generates the example, and measures inside it (see `bench/inside/signals.py`). Ratios of one run
count; the absolute numbers are those of the machine.
"""

import sys
import tempfile
from pathlib import Path

from boundary import ROOT, UV, run


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = Path(folder, "shop")
        new = (sys.executable, "-m", "scaffold", "new", str(shop), "--example", "--defaults")
        run(*new, cwd=Path(folder))
        run(UV, "sync", "--quiet", cwd=shop)
        print(run(UV, "run", "python", str(ROOT / "bench/inside/signals.py"), cwd=shop), end="")


if __name__ == "__main__":
    main()
