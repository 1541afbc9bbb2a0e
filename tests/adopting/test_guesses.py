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


def test_modules_that_are_services_say_so():
    contents = {
        "compose.yaml": b'  big-till-web:\n    x: y\n    ports: ["127.0.0.1:8007:8000"]\n',
        "src/app/modules/big_till/module.toml": b'depends_on = ["b", "a"]\n[service]\n',
        "src/app/modules/alone/module.toml": b'[service]\nbecause = "scaling"\n',
        "src/app/modules/broken/module.toml": b"[service\n",
        "src/app/modules/catalog/module.toml": b"depends_on = []\n",
    }
    assert guesses.services(contents) == {
        "services": {
            "alone": {"needs": [], "port": 8001},
            "big_till": {"needs": ["a", "b"], "port": 8007},
        }
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
