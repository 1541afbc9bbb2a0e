from scaffold.adopting import guesses


def test_the_product_is_what_files_say(tmp_path):
    (tmp_path / "CODEOWNERS").touch()
    contents = {
        "pyproject.toml": b'[project]\nname = "web"\ndescription = "Sells pots."\n',
        "CODEOWNERS": b"# all\n/docs/ @acme/docs\n* @acme/web @bob\n",
    }
    assert guesses.of_app(tmp_path, contents) == {
        "project_name": "web",
        "description": "Sells pots.",
        "owner": "@acme/web",
    }


def test_what_no_file_says_is_left_open(tmp_path):
    assert guesses.of_app(tmp_path, {"pyproject.toml": b"[project\n"}) == {}
    assert guesses.of_app(tmp_path, {"pyproject.toml": b"project = 3\n"}) == {}


def test_a_module_tells_its_owner_and_what_it_gets(shop):
    (shop / "src/app/modules/ordering/module.toml").write_text(
        'owner = "@acme/checkout"\ndepends_on = ["catalog", "gone_by_now"]\n'
    )
    assert guesses.of_module(shop, "ordering") == {
        "module": "ordering",
        "owner": "@acme/checkout",
        "depends_on": {"catalog": "Catalog", "gone_by_now": "GoneByNow"},
    }


def test_each_table_may_be_what_it_was_made_for():
    tables = b"""
class LineItemRow(Base):
    __tablename__ = "line_items"

class Helper: ...

class AnalysisRow(Base):
    __tablename__ = "analyses"
"""
    found = guesses.entities("lab", {"src/app/modules/lab/tables.py": tables})
    assert list(found) == [
        {"entity": "line_item", "entities": "line_items"},
        {"entity": "analysis", "entities": "analyses"},
    ]
    assert list(guesses.entities("lab", {"src/app/modules/lab/tables.py": b"class ("})) == []
