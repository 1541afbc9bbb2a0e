from helpers import git
from histories import write

from scaffold.adopting import search


def template(folder, versions):
    """A template with one commit for each version, and no tags but those named v…"""
    write(
        folder,
        [(name, {p: ("100644", c.encode()) for p, c in files.items()}) for name, files in versions],
    )
    return git(folder, "rev-parse", "HEAD")


VERSIONS = [
    ("v1.0.0", {"copier.yml": "1", "template/a": "1", "template/d/b.jinja": "x"}),
    ("v1.1.0rc1", {"copier.yml": "1", "template/a": "2", "template/d/c": "1"}),
    ("v1.10.0", {"copier.yml": "1", "template/a": "2", "template/d/c": "2"}),
    ("v1.9.0", {"copier.yml": "1", "template/a": "2", "template/d/c": "2", "README.md": "new"}),
    ("latest", {"copier.yml": "1", "template/a": "3"}),
]


def test_releases_are_tried_the_newest_first(tmp_path):
    head = template(tmp_path / "t", VERSIONS)
    found = [version for version, _ in search.candidates(tmp_path / "t", head)]
    assert found == ["v1.10.0", "v1.9.0", "v1.1.0rc1", "v1.0.0"]


def test_without_releases_all_commits_are_tried(tmp_path):
    head = template(tmp_path / "t", [(f"c{n}", files) for n, (_, files) in enumerate(VERSIONS)])
    found = search.candidates(tmp_path / "t", head)
    assert [version for version, _ in found] == git(tmp_path / "t", "rev-list", "HEAD").split()
    assert all(version == commit for version, commit in found)


def test_what_has_most_files_as_they_are_scores_best(tmp_path):
    head = template(tmp_path / "t", VERSIONS)
    listed = search.candidates(tmp_path / "t", head)
    ranked = search.ranked(tmp_path / "t", listed, {"a": b"2", "d/c": b"1", "ours": b"x"})
    best = max(ranked, key=lambda each: each.score)
    assert best.version == "v1.1.0rc1"
    assert best.score == 2
    # Where only what is no template differs, the newest stands for both; unless one is asked for.
    assert [each.version for each in ranked] == ["v1.10.0", "v1.1.0rc1", "v1.0.0"]
    kept = search.ranked(tmp_path / "t", listed, {}, "v1.9.0")
    assert [each.version for each in kept] == ["v1.9.0", "v1.1.0rc1", "v1.0.0"]


def test_what_is_no_template_is_passed_over(tmp_path):
    head = template(tmp_path / "t", [("v1", {"README.md": "1"}), ("v2", {"template": "a file"})])
    listed = search.candidates(tmp_path / "t", head)
    assert search.ranked(tmp_path / "t", listed, {"README.md": b"1"}) == []
