"""Somebody who has never been here: an empty folder, a shell, and what a page tells them to type."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest
from generated import ROOT, UV
from pages import ADDRESS, Step
from replica import free_port

_PASSED = re.compile(r"(PIP|UV|SSL|REQUESTS)_|https?_proxy$|no_proxy$", re.IGNORECASE)
SECONDS = 600


class Stranger:
    """A shell that keeps its folder and variables from one command to the next.

    It has git with a name, Python and make, as pages ask for, and the caches of this machine. Only
    what must differ is not as it is written: the address of this repository, and port 8000.
    """

    def __init__(self, home: Path, address: str, *bins: Path) -> None:
        home.mkdir(parents=True)
        (home / ".gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n")
        ours = str(ROOT)
        paths = [each for each in os.environ["PATH"].split(os.pathsep) if not each.startswith(ours)]
        cache = subprocess.run([UV, "cache", "dir"], capture_output=True, text=True, check=True)
        self._port = free_port()
        self._environment = {
            **{name: value for name, value in os.environ.items() if _PASSED.match(name)},
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PATH": os.pathsep.join(
                [*map(str, bins), *paths, str(Path(sys.executable).resolve().parent)]
            ),
            "UV_CACHE_DIR": cache.stdout.strip(),
            "UV_NO_PROGRESS": "1",
            "port": str(self._port),  # What `make dev` listens on.
        }
        self._environment.pop("UV_PROJECT_ENVIRONMENT", None)
        self._instead = {
            ADDRESS: address,
            "127.0.0.1:8000": f"127.0.0.1:{self._port}",
        }
        self._scratch = home.with_name(f"{home.name}.said")
        self._scratch.mkdir()
        self._going: list[subprocess.Popen[bytes]] = []
        self._shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=home,
            env=self._environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.interrupt()
        os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.wait()

    def do(self, step: Step) -> None:
        """Type a command, and hold it to what the page says of it."""
        began = time.monotonic()
        try:
            self._do(step)
        finally:
            took = time.monotonic() - began
            print(f"{took:6.1f} s  {step.place}  {step.command.partition(chr(10))[0] or step.mark}")

    def _do(self, step: Step) -> None:
        if step.mark == "Ctrl-C":
            self.interrupt()
        elif step.mark == "goes on":
            self._start(step)
        elif step.mark == "in a moment":
            self._try_until_shown(step)
        else:
            code, said = self._type(step.command)
            fails = step.mark == "fails"
            if bool(code) != fails:
                pytest.fail(f"{step.place}: `{step.command}` exits with {code}:\n{said}")
            self._compare(step, said)

    def interrupt(self) -> None:
        """Stop what goes on, as Ctrl-C does."""
        for process in self._going:
            with suppress(ProcessLookupError):  # It has stopped by itself.
                os.killpg(process.pid, signal.SIGINT)
        for process in self._going:
            try:
                process.wait(timeout=60)
            finally:
                if process.returncode is None:
                    os.killpg(process.pid, signal.SIGKILL)
        self._going.clear()

    def _type(self, command: str) -> tuple[int, str]:
        assert self._shell.stdin
        assert self._shell.stdout
        typed, said = self._scratch / "typed", self._scratch / "said"
        typed.write_text(self._adapted(command) + "\n", "utf-8")
        self._shell.stdin.write(f". {typed} </dev/null >{said} 2>&1; echo $?\n")
        self._shell.stdin.flush()
        if not select.select([self._shell.stdout], [], [], SECONDS)[0]:
            pytest.fail(f"`{command}` is not done in {SECONDS} s:\n{said.read_text('utf-8')}")
        line = self._shell.stdout.readline()
        return int(line or 1), said.read_text("utf-8", "replace")

    def _start(self, step: Step) -> None:
        log = self._scratch / f"log{len(self._going)}"
        _, folder = self._type("pwd")
        process = subprocess.Popen(
            ["bash", "-c", self._adapted(step.command)],
            cwd=folder.strip(),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._going.append(process)
        deadline = time.monotonic() + SECONDS
        while not self._is_shown(step, said := log.read_text("utf-8", "replace"), begins=True):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{step.place}: `{step.command}` prints:\n{said}")
            time.sleep(0.1)

    def _try_until_shown(self, step: Step) -> None:
        deadline = time.monotonic() + SECONDS
        while True:
            code, said = self._type(step.command)
            if not code and self._is_shown(step, said):
                return
            if time.monotonic() > deadline:
                self._compare(step, said)
                pytest.fail(f"{step.place}: `{step.command}` exits with {code}:\n{said}")
            time.sleep(0.2)

    def _compare(self, step: Step, said: str) -> None:
        if not self._is_shown(step, said):
            pytest.fail(f"{step.place}: `{step.command}` prints\n{said}\nand not\n{step.shown}")

    def _is_shown(self, step: Step, said: str, *, begins: bool = False) -> bool:
        if step.shown is None:
            return True
        shown = re.sub(r"^…\n", "…", self._adapted(step.shown), flags=re.MULTILINE)
        shown = re.sub(r"\n…$", "…", shown)  # As many lines as there are, or none.
        parts = [re.escape(part) for part in shown.split("…")]
        said = re.sub(r"[ \t]+$", "", re.sub(r"\x1b\[[0-9;]*m", "", said), flags=re.MULTILINE)
        pattern = re.compile(".*?".join(parts), re.DOTALL)
        said = said.strip("\n")
        return bool(pattern.match(said) if begins else pattern.fullmatch(said))

    def _adapted(self, text: str) -> str:
        for written, meant in self._instead.items():
            text = text.replace(written, meant)
        return text
