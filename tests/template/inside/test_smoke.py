"""`make smoke` of an image that does not end: said in one sentence, and no container is left."""

import json
from pathlib import Path

import pytest
from checks import smoke

ENGINE = """\
#!/bin/sh
echo "$@" >> "$0.calls"
case "$1" in
  image) echo '%s' ;;
  run) exec sleep 60 ;;
esac
"""
ABOUT = [{"Config": {"Labels": {}}, "Size": 1}]


def test_migrations_that_do_not_end_are_said_and_their_container_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = tmp_path / "podman"
    engine.write_text(ENGINE % json.dumps(ABOUT))
    engine.chmod(0o755)
    monkeypatch.setattr(smoke, "_PATIENCE", 0.2)
    with pytest.raises(SystemExit) as stopped:
        smoke.main(str(engine), "shop:1.4.2")
    assert stopped.value.code == "shop:1.4.2: migrate does not come to its end, within 0 s."
    _, run, removed = (tmp_path / "podman.calls").read_text("utf-8").splitlines()
    [name] = [part for part in run.split() if part.startswith("--name=")]
    assert removed == f"rm --force {name.removeprefix('--name=')}"
