"""Whatever Copier, git or a template objects to is one sentence."""

import shutil

import copier
import pytest
import yaml
from helpers import git

from scaffold.errors import ScaffoldError
from scaffold.origin import Origin
from scaffold.rendering import render


@pytest.fixture
def broken(template, tmp_path):
    folder = tmp_path / "template"
    shutil.copytree(template, folder)
    return folder


def commit(folder):
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "break it")
    return git(folder, "rev-parse", "HEAD")


def origin(place, version):
    revision = git(place, "rev-parse", f"{version}^{{commit}}")
    return Origin("https://git.acme.org/template.git", version, str(place), revision)


def refusal(place, version, destination, answers=None):
    with pytest.raises(ScaffoldError) as refused:
        render(origin(place, version), destination, answers or {})
    assert "\n" not in str(refused.value)
    assert not destination.exists()
    return str(refused.value)


def test_the_origin_is_recorded_and_not_where_it_was_read(template, tmp_path):
    render(origin(template, "v0.1.0"), tmp_path / "out", {})
    for name in (".copier-answers.yml", "src/app/modules/catalog/.copier-answers.module.yml"):
        answers = yaml.safe_load((tmp_path / "out" / name).read_text())
        assert answers["_src_path"] == "https://git.acme.org/template.git"
        assert answers["_commit"] == "v0.1.0"


@pytest.mark.parametrize("tag", ["latest", "stable", "v0.1.0-final"])
def test_another_tag_of_the_same_commit_is_not_recorded(broken, tmp_path, tag):
    git(broken, "tag", tag, "v0.1.0")
    render(origin(broken, "v0.1.0"), tmp_path / "out", {})
    assert "_commit: v0.1.0\n" in (tmp_path / "out/.copier-answers.yml").read_text()


def test_copier_alone_records_no_tag_that_moves(broken, tmp_path):
    git(broken, "tag", "latest", "v0.1.0")
    copier.run_copy(str(broken), tmp_path / "out", vcs_ref="v0.1.0", defaults=True, quiet=True)
    commit = git(broken, "rev-parse", "v0.1.0")
    for name in (".copier-answers.yml", "src/app/modules/catalog/.copier-answers.module.yml"):
        assert yaml.safe_load((tmp_path / "out" / name).read_text())["_commit"] == commit


@pytest.mark.parametrize("bare", ["template", "template.git"])
def test_a_bare_repository_is_rendered_whatever_its_name(template, tmp_path, bare):
    git(tmp_path, "clone", "--quiet", "--bare", str(template), bare)
    render(origin(tmp_path / bare, "v0.2.0"), tmp_path / "out", {})
    assert (tmp_path / "out/README.md").is_file()


def test_a_number_and_a_long_path_with_spaces_are_recorded_as_text(template, tmp_path):
    place = tmp_path / " ".join(["a long folder"] * 9)
    shutil.copytree(template, place)
    number = Origin(str(place), "12345678", str(place), git(place, "rev-parse", "HEAD"))
    render(number, tmp_path / "out", {})
    for name in (".copier-answers.yml", "src/app/modules/catalog/.copier-answers.module.yml"):
        answers = yaml.safe_load((tmp_path / "out" / name).read_text())
        assert (answers["_src_path"], answers["_commit"]) == (str(place), "12345678")


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"project_name": "Web Shop"}, "the answer to 'project_name' will not do: Use at most"),
        ({"owner": "acme"}, "the answer to 'owner' will not do: Write @organisation/team"),
        ({"modules": "catalog"}, "the answer to 'modules' will not do"),
        ({"modules": "[catalog, catalog]"}, "the answer to 'modules' will not do"),
        ({"modules": "[../x]"}, "the answer to 'modules' will not do"),
        ({"modules": "[a"}, "no YAML"),
        ({"ci": "jenkins"}, "the answer to 'ci' will not do"),
    ],
)
def test_an_answer_that_will_not_do_is_named(template, tmp_path, answers, said):
    assert said in refusal(template, "v0.1.0", tmp_path / "out", answers)


def test_a_template_that_does_not_parse_is_named(broken, tmp_path):
    (broken / "template" / "README.md.jinja").write_text("{% if %}")
    assert "cannot be rendered" in refusal(broken, commit(broken), tmp_path / "out")


def test_a_configuration_that_does_not_parse_is_named(broken, tmp_path, capfd):
    (broken / "copier.yml").write_text("a: [b")
    assert "cannot be rendered" in refusal(broken, commit(broken), tmp_path / "out")
    assert capfd.readouterr().err == ""


def test_a_template_that_wants_to_be_trusted_is_refused(broken, tmp_path):
    with (broken / "copier.yml").open("a") as config:
        config.write("\n_tasks: [touch hacked]\n")
    assert "has tasks, which can run anything" in refusal(broken, commit(broken), tmp_path / "out")
