from datetime import date

import pytest
import yaml

from scaffold.removing import records

DAY = date(2026, 12, 15)


@pytest.mark.parametrize(
    ("listed", "left"),
    [
        ("modules:\n- catalog\n- reviews\n", "modules:\n- catalog\n"),
        ("modules:\n  - reviews\n  - catalog\n", "modules:\n- catalog\n"),
        ("modules: [catalog, reviews]\n", "modules:\n- catalog\n"),
        ("modules:\n- reviews\n", "modules: []\n"),
        ("modules:\n- catalog\n", "modules:\n- catalog\n"),
        ("modules: []\n", "modules: []\n"),
    ],
)  # fmt: skip
def test_the_answer_goes_and_the_rest_stays(listed, left):
    rest = "# Do not edit.\n_commit: v1\ndescription: modules of reviews\n{}owner: '@a/b'\n"
    assert records.answers(rest.format(listed).encode(), "reviews").decode() == rest.format(left)


def test_what_others_were_made_with_follows():
    path = "src/app/modules/ordering/.copier-answers.module.yml"
    one = (
        b'_commit: "v1"\ndepends_on: {"reviews": "Reviews", "catalog": "Catalog"}\nowner: "@a/b"\n'
    )
    many = b"depends_on:\n  catalog: Catalog\n  reviews: Reviews\nowner: a\n"
    for content in (one, many):
        (after,) = records.dependencies({path: content, "other.yml": content}, "reviews").values()
        expected = {**yaml.safe_load(content), "depends_on": {"catalog": "Catalog"}}
        assert yaml.safe_load(after) == expected
    assert records.dependencies({path: one}, "billing") == {}
