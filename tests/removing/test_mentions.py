from scaffold.removing import mentions


def found(contents, pristine=None, name="reviews"):
    told = {path: text.encode() for path, text in contents.items()}
    before = {path: text.encode() for path, text in (pristine or {}).items()}
    return [str(place) for place in mentions.find(name, told, before, {"CODEOWNERS"})]


def test_lines_are_told_with_what_they_are():
    assert found(
        {
            "docs/guide.md": "One\nAsk the Reviews.\n",
            "observability/team.yml": 'expr: queue_jobs{module="reviews"}\n',
            "observability/dashboards.py": "# reviews\n",
            "deploy/base/web.yaml": "path: /reviews\n",
            ".github/workflows/ci.yml": "run: test reviews\n",
            "src/app/modules/other/service.py": "# See reviews_total.\n",
            "CODEOWNERS": "/docs/reviews @a/b\n",
            "src/app/modules/reviews/README.md": "# Reviews\n",
            "preview.txt": "previews, Reviewsers, RReviews\n",
        }
    ) == [
        "docs/guide.md:2: docs: Ask the Reviews.",
        'observability/team.yml:1: alert: expr: queue_jobs{module="reviews"}',
        "observability/dashboards.py:1: dashboard: # reviews",
        "deploy/base/web.yaml:1: deployment: path: /reviews",
        ".github/workflows/ci.yml:1: pipeline: run: test reviews",
        "src/app/modules/other/service.py:1: code: # See reviews_total.",
    ]


def test_the_examples_of_the_template_itself_name_no_module():
    template = {"Makefile": "# make module name=billing\n"}
    assert found({"Makefile": template["Makefile"] + "x: billing\n"}, template, "billing") == [
        "Makefile:2: text: x: billing"
    ]


def test_a_name_of_two_words_is_found_as_people_write_it():
    text = "line_items, line-items, line items and LineItems\n"
    for word in text.replace(",", "\n").replace("and", "\n").splitlines():
        assert found({"a.md": word}, name="line_items") or not word.strip()


def test_what_is_no_text_is_not_read():
    assert mentions.find("reviews", {"a.png": b"\0reviews", "uv.lock": b"reviews"}, {}, ()) == []
