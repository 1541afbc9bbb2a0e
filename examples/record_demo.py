"""Record `make demo` as docs/demo.svg: `make recording`.

It is what was printed, in that order. Pauses and colours are a reader's, and each step has a page
of its own: a screen that scrolls would be drawn anew for each line, in a megabyte.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs/demo.svg"
ADDRESS = "https://git.example.com/acme/scaffold.git"
LOOK = "--chrome:make demo:--theme:asciinema:--font-size:14:--line-height:1.35".split(":")
SIZE = ("--cols", "110", "--rows", "24")
CLEAR = "\x1b[2J\x1b[H"
COLOURS = {"==>": "\x1b[1;32m", "   $": "\x1b[36m"}  # A step, a command.


def main() -> None:
    """Run the demo in a clone, so that nothing of this machine is seen, and draw it."""
    with tempfile.TemporaryDirectory(prefix="scaffold-") as folder:
        checkout, cast = Path(folder, "scaffold"), Path(folder, "demo.cast")
        run("git", "clone", "--quiet", str(ROOT), str(checkout))
        run("git", "-C", str(checkout), "remote", "set-url", "origin", ADDRESS)
        run("uv", "sync", "--quiet", "--no-dev", "--directory", str(checkout))
        demo = "make --silent --no-print-directory demo"
        command = ("asciinema", "rec", "--quiet", *SIZE, "-c", demo, str(cast))
        environment = {name: each for name, each in os.environ.items() if name != "VIRTUAL_ENV"}
        subprocess.run(command, check=True, cwd=checkout, env=environment)
        said = cast.read_text("utf-8")
        if "Everything is stopped" not in said:
            sys.exit(f"The demo failed:\n{said}")
        cast.write_text(paced(said.replace(f"{folder}/", "~/")), "utf-8")
        run("showreel", "svg", "--quiet", str(cast), "-o", str(PICTURE), *LOOK)


def paced(cast: str) -> str:
    """Give each line the time that it takes to read."""
    header, *events = cast.splitlines()
    printed = "".join(json.loads(event)[2] for event in events)
    timed = [json.dumps([round(when, 2), "o", line]) for when, line in _when(printed)]
    return "\n".join([header, *timed, ""])


def _when(printed: str) -> Iterator[tuple[float, str]]:
    now = 0.0  # What does not move an image shows the first step.
    for step in re.split(r"^(?===> )", printed, flags=re.MULTILINE)[1:]:
        lines = step.rstrip().splitlines()
        for number, line in enumerate(lines):
            colour = next((each for sign, each in COLOURS.items() if line.startswith(sign)), "")
            if number and now:
                now += 0.5 if colour else 0.05
            yield now, f"{'' if number else CLEAR}{colour}{line.rstrip()}\x1b[0m\r\n"
        now += 1.7 + 0.1 * len(lines)
    yield now, ""


def run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
