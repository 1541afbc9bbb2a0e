"""The peers, installed once into `.tools/bench/`, which nothing else uses."""

import os
from functools import cache
from pathlib import Path

from .measuring import ROOT, UV, MeasurementError, progress, run, succeeds

FOLDER = ROOT / ".tools/bench"
# Templates that no registry has: clones by the name of their repository, else git asks for them.
CLONES = os.environ.get("CLONES")


@cache
def python(name: str, *packages: str) -> Path:
    """Return the folder of programs of an environment with these packages."""
    at = FOLDER / name
    if not (at / "bin/python").exists():
        progress(f"  installing {', '.join(packages)}")
        run(UV, "venv", "--quiet", str(at), cwd=ROOT)
    run(UV, "pip", "install", "--quiet", "--python", str(at), *packages, cwd=ROOT)
    return at / "bin"


@cache
def node(name: str, *packages: str) -> Path:
    """Return the folder of programs of these packages of npm's."""
    at = FOLDER / name
    if not at.exists():
        progress(f"  installing {', '.join(packages)}")
        at.mkdir(parents=True)
        run("npm", "install", "--silent", "--prefix", str(at), *packages, cwd=at)
    return at / "node_modules/.bin"


@cache
def template(owner: str, name: str, ref: str = "HEAD") -> Path | None:
    """Return a clone of a template, or nothing where it cannot be had."""
    at = FOLDER / name
    source = f"{CLONES}/{name}" if CLONES else f"https://github.com/{owner}/{name}"
    if not at.exists() and not succeeds("git", "clone", "--quiet", source, str(at), cwd=ROOT):
        return None
    run("git", "checkout", "--quiet", ref, cwd=at)
    return at


@cache
def has_python(version: str) -> bool:
    """Say whether uv has a Python of this version, or can have it."""
    once = {"UV_HTTP_RETRIES": "0"}
    return succeeds(UV, "python", "find", version, cwd=ROOT) or succeeds(
        UV, "python", "install", "--quiet", version, cwd=ROOT, env=once
    )


def versions(programs: Path, *packages: str) -> str:
    """Return the versions of packages, for people."""
    code = "import sys; from importlib.metadata import version as v; "
    code += "print(', '.join(f'{p} {v(p)}' for p in sys.argv[1:]))"
    try:
        return run(str(programs / "python"), "-c", code, *packages, cwd=ROOT).strip()
    except MeasurementError:
        return ", ".join(packages)
