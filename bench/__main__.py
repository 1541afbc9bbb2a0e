"""Run comparisons, keep what they find, and write the page: `python -m bench [NAME …]`.

Without a name all of them run. `python -m bench page` writes the page from what is kept.
"""

import sys
import time
from importlib import import_module

from . import COMPARISONS, page
from .measuring import MeasurementError, progress
from .results import Found, Result, about, save


def main(names: list[str]) -> int:
    unknown = set(names) - {*COMPARISONS, "page"}
    if unknown:
        print(f"There is no {', '.join(sorted(unknown))}: choose of {', '.join(COMPARISONS)}.")
        return 2
    failed, on = [], about()  # Before all: a measurement keeps the machine busy itself.
    for name in [each for each in names if each != "page"] or (() if names else COMPARISONS):
        start = time.perf_counter()
        progress(f"— {name}")
        try:
            found: Found = import_module(f"bench.{name}").measure()
        except MeasurementError as error:
            progress(f"{name} failed: {error}")
            failed.append(name)
            continue
        result = Result(name, *found, {**on, "seconds": round(time.perf_counter() - start)})
        save(result)
        print(result, flush=True)
    page.write()
    if failed:
        progress(f"not measured: {', '.join(failed)}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
