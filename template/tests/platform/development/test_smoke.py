"""`make smoke` of an image that does not end: said in one sentence, and no container is left."""

import json
import subprocess
import sys
from pathlib import Path

ENGINE = """\
#!/bin/sh
echo "$@" >> "$0.calls"
case "$1" in
  image) echo '%s' ;;
  run) exec sleep 60 ;;
esac
"""
ABOUT = [{"Config": {"Labels": {}}, "Size": 1}]
IMPATIENT = """
import sys, time
from pathlib import Path
from checks import smoke

def entered(container):
    while "run --rm" not in Path(sys.argv[1] + ".calls").read_text():
        time.sleep(0.01)
    return container

smoke.Container.__enter__ = entered
smoke._PATIENCE = 0.2
smoke.main(*sys.argv[1:])
"""
"""Waits for what has begun alone, however busy the machine is."""


def test_migrations_that_do_not_end_are_said_and_their_container_is_removed(tmp_path: Path) -> None:
    engine = tmp_path / "podman"
    engine.write_text(ENGINE % json.dumps(ABOUT))
    engine.chmod(0o755)
    command = [sys.executable, "-W", "error", "-c", IMPATIENT, str(engine), "shop:1.4.2"]
    done = subprocess.run(command, text=True, capture_output=True)
    assert done.stderr == "shop:1.4.2: migrate does not come to its end, within 0 s.\n"
    assert done.returncode == 1
    _, run, removed = (tmp_path / "podman.calls").read_text("utf-8").splitlines()
    [name] = [part for part in run.split() if part.startswith("--name=")]
    assert removed == f"rm --force {name.removeprefix('--name=')}"
