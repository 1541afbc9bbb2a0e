"""What is put into a git repository is what git itself would put there."""

import os
import subprocess
from pathlib import Path

from helpers import git

from scaffold import objects

BLOB = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


def test_trees_are_those_of_an_index(tmp_path: Path):
    git(tmp_path, "init", "--quiet")
    modes = {"a-link": "120000", "z/run": "100755"}
    names = ["a", "b-c", "b.c", "b/x", "b/y/z", "b0", "z/ä ö", "z/\udcff", 'q"\t', *modes]
    tree = {name: (modes.get(name, "100644"), BLOB) for name in names}
    tree["sub"] = "160000", "1" * 40
    objects.write_blobs(tmp_path, [b""])
    lines = "".join(f"{mode} {blob}\t{path}\0" for path, (mode, blob) in tree.items())
    asked = ["git", "update-index", "-z", "--index-info"]
    subprocess.run(asked, cwd=tmp_path, input=os.fsencode(lines), check=True)
    there: set[str] = set()
    whole, none = objects.write_trees(tmp_path, [tree, {}], there)
    assert whole == git(tmp_path, "write-tree")
    assert objects.tree_of(tmp_path, whole) == tree
    assert objects.tree_of(tmp_path, none) == {}
    assert {whole, none} < there


def test_what_is_not_there_has_no_content(tmp_path: Path):
    git(tmp_path, "init", "--quiet")
    (blob,) = objects.write_blobs(tmp_path, [b"x\n"])
    assert objects.read_named(tmp_path, [blob, "HEAD:a file", BLOB]) == [b"x\n", None, None]
