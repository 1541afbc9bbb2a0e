"""Break a file in one way after the other, and run tests each time; print how they ended.

Reads FILE, what is right in it and what is wrong, as JSON. Runs in a generated repository, whose
libraries it imports once: that takes longer than most of the tests.
"""

import gc
import json
import os
import sys
from pathlib import Path

import app.main  # noqa: F401 It imports no module.
import pytest

QUIET = ("-q", "--exitfirst", "--tb=line", "-W", "ignore::pytest.PytestAssertRewriteWarning")

sys.dont_write_bytecode = True
gc.freeze()  # What is imported stays: no child need look through it.
for file, right, wrong in json.load(sys.stdin):
    path = Path(file)
    text = path.read_text("utf-8")
    assert right in text, f"{right!r} is not in {file}"
    path.write_text(text.replace(right, wrong), "utf-8")
    if not (child := os.fork()):
        os.dup2(2, 1)
        os._exit(pytest.main([*QUIET, *sys.argv[1:]]))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    path.write_text(text, "utf-8")
