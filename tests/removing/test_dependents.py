import pytest

from scaffold.removing import dependents

OTHER = "src/app/modules/ordering/"
TABLES = ["reviews", "votes"]


def found(path: str, text: str) -> list[str]:
    places = dependents.find("reviews", {path: text.encode()}, TABLES)
    return [f"{place.line} {place.what}" for place in places]


@pytest.mark.parametrize(
    ("file", "text", "what"),
    [
        ("module.toml", 'owner = "@reviews/x"\ndepends_on = [\n  "catalog",\n  "reviews",\n]\n', "4 depends_on names it"),
        ("service.py", "from app.modules.reviews import Reviews\n", "1 imports Reviews"),
        ("service.py", "from app.modules import catalog, reviews\n", "1 imports reviews"),
        ("service.py", "import app.modules.reviews as r\n", "1 imports app.modules.reviews"),
        ("service.py", "from ..reviews import Reviews\n", "1 imports Reviews"),
        ("tests/test_x.py", "from ...reviews.jobs import prepare\n", "1 imports prepare"),
        ("__init__.py", "from ..reviews import Reviews\n", "1 imports Reviews"),
        ("service.py", 'x = 1\ny = import_module("app.modules.reviews.service")\n', "2 names it in a text"),
        ("service.py", 'QUERY = """SELECT 1\n  FROM reviews.votes"""\n', "2 SQL, or a key: reviews.votes"),
        ("service.py", "QUERY = 'TABLE \"reviews\".\"votes\"'\n", '1 SQL, or a key: "reviews"."votes'),
        ("tables.py", 'ForeignKey("reviews.reviews.id")\n', "1 SQL, or a key: reviews.reviews"),
        ("tables.py", 'm = MetaData(schema="reviews")\n', "1 schema='reviews'"),
        ("tests/test_x.py", 'client.get("/reviews/votes")\n', "1 asks its routes: /reviews/votes"),
        ("tests/test_x.py", 'client.get(f"/reviews/votes/{id}")\n', "1 asks its routes: /reviews/votes/"),
        ("tests/test_x.py", 'db = Database(engine, "reviews")\n', "1 speaks as it to the database"),
        ("broken.py", "reviews = (\n", "1 names it, and is no Python: mend it first"),
        ("query.sql", "--\nSELECT * FROM reviews.reviews\n", "2 SQL"),
    ],
)  # fmt: skip
def test_what_needs_the_module_is_found_where_it_stands(file, text, what):
    assert what in found(OTHER + file, text)


def test_what_is_made_of_an_import_is_told_as_well():
    text = """from app.modules.reviews import Reviews, Written
from app.modules.reviews.jobs import prepare

def build(db: Database, reviews: "Reviews") -> Ordering: ...

async def run(tx):
    await prepare.enqueue(tx, 1)

module = Module(build, subscriptions={Written: run})
"""
    said = found(f"{OTHER}wiring.py", text)
    assert said[2:] == ["4 build takes reviews: Reviews", "7 enqueues prepare", "9 hears Written"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (f"{OTHER}service.py", '"""Reads what /reviews says, and reviews.votes."""\n'),
        (f"{OTHER}service.py", "reviews = 1  # app.modules.reviews\n"),
        (f"{OTHER}service.py", "from app.modules.reviews_of_books import Books\n"),
        (f"{OTHER}service.py", 'x = "app.modules.reviews_of_books"\n'),
        (f"{OTHER}service.py", 'x = "/reviewsers"; y = "old_reviews.votes"\n'),
        (f"{OTHER}routes.py", 'class A:\n    @router.get("/reviews")\n    def f(self): ...\n'),
        (f"{OTHER}routes.py", 'router = APIRouter(prefix="/reviews")\n'),
        (f"{OTHER}module.toml", 'depends_on = []\n# "reviews"\n'),
        ("src/app/modules/reviews/service.py", "from app.modules.reviews import Reviews\n"),
        ("src/app/platform/web/http.py", 'x = "/reviews/votes"\n'),
        ("tests/platform/web/test_x.py", 'client.get("/reviews/votes")\n'),
        ("docs/guide.md", "GET /reviews/votes reads reviews.votes\n"),
    ],
)
def test_what_only_has_the_word_is_no_dependent(path, text):
    assert found(path, text) == []


def test_the_composition_root_may_need_it_too():
    assert found("src/app/main.py", "from app.modules.reviews import Reviews\n") == [
        "1 imports Reviews"
    ]
