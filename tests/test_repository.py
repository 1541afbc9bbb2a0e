"""Finding a generated repository, and reading what it says about itself."""

import pytest

from scaffold import repository
from scaffold.errors import ScaffoldError


def test_the_root_is_found_from_any_folder_inside(shop):
    assert repository.find_root(shop / "src/app/modules/catalog/tests") == shop


def test_outside_of_a_repository_is_refused(tmp_path):
    with pytest.raises(ScaffoldError, match="not inside a generated repository"):
        repository.find_root(tmp_path)


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(ScaffoldError, match="is no folder"):
        repository.find_root(tmp_path / "nowhere")


def test_missing_answers_are_refused(shop):
    (shop / ".copier-answers.yml").unlink()
    with pytest.raises(ScaffoldError, match="is missing"):
        repository.find_root(shop)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "just text",
        "- a list",
        "a: [b",
        "a: !!python/object:os.system x",
        "_src_path: /x",
        "_commit: v1\n_src_path: 5",
        "_commit: null\n_src_path: /x",
        "_commit: ''\n_src_path: /x",
        "<<<<<<< HEAD\n_commit: v1\n=======\n_commit: v2\n>>>>>>> x\n",
    ],
)
def test_answers_edited_into_nonsense_are_refused(tmp_path, content):
    file = tmp_path / ".copier-answers.yml"
    file.write_text(content)
    with pytest.raises(ScaffoldError, match=r"answers\.yml .*restore it from git"):
        repository.read_template(file)


def test_answers_that_are_no_text_are_refused(tmp_path):
    file = tmp_path / ".copier-answers.yml"
    file.write_bytes(b"\xff\x00\xfe")
    with pytest.raises(ScaffoldError, match="restore it from git"):
        repository.read_template(file)


def test_only_packages_count_as_modules(shop):
    modules = shop / "src/app/modules"
    (modules / "__pycache__").mkdir()
    (modules / "left_over" / "__pycache__").mkdir(parents=True)
    assert [module.name for module in repository.read_modules(shop)] == ["catalog", "ordering"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is missing"),
        ("owner = ", "is no TOML"),
        ("depends_on = 'catalog'", "must be a list"),
        ("depends_on = [1]", "must be a list"),
        ("owner = 3", "must be text"),
    ],
)
def test_a_broken_module_toml_is_refused(shop, content, said):
    file = shop / "src/app/modules/catalog/module.toml"
    file.unlink()
    if content is not None:
        file.write_text(content)
    with pytest.raises(ScaffoldError, match=rf"catalog/module\.toml.*{said}"):
        repository.read_modules(shop)


@pytest.mark.parametrize("annotation", ["Catalog", "'Catalog'"])
def test_the_interface_is_what_build_returns(tmp_path, annotation):
    (tmp_path / "wiring.py").write_text(f"def build(db) -> {annotation}: ...\n")
    assert repository.interface(tmp_path) == "Catalog"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is missing"),
        ("", "has no function build"),
        ("def build(: ...", "is no Python"),
        ("def build(db): ...", "does not say which interface"),
        ("def build(db) -> Catalog | None: ...", "does not say which interface"),
        ("def build(db) -> catalog.Catalog: ...", "does not say which interface"),
    ],
)
def test_an_interface_that_cannot_be_found_is_refused(tmp_path, content, said):
    if content is not None:
        (tmp_path / "wiring.py").write_text(content)
    with pytest.raises(ScaffoldError, match=rf"wiring\.py.*{said}"):
        repository.interface(tmp_path)
