"""Whatever Copier, git or a template objects to is one sentence."""

import shutil

import pytest
from helpers import git

from scaffold.errors import ScaffoldError
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


def refusal(source, version, destination, answers=None):
    with pytest.raises(ScaffoldError) as refused:
        render(str(source), version, destination, answers or {})
    assert "\n" not in str(refused.value)
    assert not destination.exists()
    return str(refused.value)


def test_a_version_that_is_gone_is_named(template, tmp_path):
    assert "has no version v9.9.9" in refusal(template, "v9.9.9", tmp_path / "out")


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"project_name": "Web Shop"}, "the answer to 'project_name' will not do: Use at most"),
        ({"owner": "acme"}, "the answer to 'owner' will not do: Write @organisation/team"),
        ({"modules": "catalog"}, "the answer to 'modules' will not do"),
        ({"modules": "[catalog, catalog]"}, "the answer to 'modules' will not do"),
        ({"modules": "[../x]"}, "the answer to 'modules' will not do"),
        ({"modules": "[a"}, "cannot be rendered"),
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
    assert "unsafe" in refusal(broken, commit(broken), tmp_path / "out")


def test_a_repository_that_cannot_be_reached_is_named(tmp_path):
    said = refusal("https://localhost:1/template.git", "v1", tmp_path / "out")
    assert "https://localhost:1/template.git at v1 cannot be rendered" in said
