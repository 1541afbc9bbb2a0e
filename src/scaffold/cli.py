"""Run a command: arguments in, an exit code out."""

import os
import sys
from typing import NoReturn

import typer

from scaffold import screen
from scaffold.commands import (  # noqa: F401 - each registers its commands
    adopting,
    carving,
    deciding,
    doctor,
    fleet,
    making,
    moving,
    removing,
    uncarving,
    upkeep,
)
from scaffold.commands.common import app
from scaffold.errors import ScaffoldError, of_disk

_INTERRUPTED = 130  # what typer makes of Ctrl-C, and shells expect


def main() -> NoReturn:
    """Run a command. Exit with 0: done, 1: refused or failed, 2: wrong usage, 130: Ctrl-C."""
    sys.exit(_run())


def _run() -> int:
    screen.prepare()
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
        if code == _INTERRUPTED:
            return screen.complain("interrupted; nothing was written", _INTERRUPTED)
        return code if isinstance(code, int) else 0
    except ScaffoldError as error:
        code = screen.complain(str(error))
        print(error.lines, end="", file=sys.stderr)
        return code
    except (typer.Abort, KeyboardInterrupt):
        return screen.complain("interrupted; nothing was written", _INTERRUPTED)
    except BrokenPipeError:  # the reader of a pipe went away: nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return screen.complain(of_disk(error))
    except typer.TyperException as error:
        said = getattr(error, "format_message", error.__str__)()
        if said.startswith("Usage: "):  # a group, and no command of it
            print(said, file=sys.stderr)
            return 2
        said = said.rstrip(".?").replace("Value error, ", "")
        context = getattr(error, "ctx", None)
        asked = context.command_path if context else " ".join(["scaffold", *sys.argv[1:2]])
        return screen.complain(f"{said}; `{asked} --help` shows what it takes", 2)
    except Exception as error:
        if os.environ.get("SCAFFOLD_DEBUG"):
            raise
        kind = type(error).__name__
        return screen.complain(
            f"{kind}: {error}; this is a defect, SCAFFOLD_DEBUG=1 shows where, please report it"
        )
