"""Fields as they are typed, and what is refused of them in one sentence."""

import re

import pytest
from pydantic import BaseModel

from scaffold.errors import ScaffoldError
from scaffold.fields import KINDS, Field, parse


def test_fields_are_read_as_they_are_typed():
    text = "patient_id:uuid  note:text? fee:decimal( 8, 2 ) status:enum(open, done)?\n"
    assert parse(text) == [
        Field("patient_id", "uuid"),
        Field("note", "text", nullable=True),
        Field("fee", "decimal", (8, 2)),
        Field("status", "enum", ("open", "done"), nullable=True),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_each_type_is_taken_as_the_refusal_of_another_shows_it(kind):
    assert parse(f"x:{kind}{KINDS[kind]}") == parse(f"x:{kind}{KINDS[kind]}")


def test_what_a_list_is_asked_by_is_told():
    asked = {field.name: field.asked_by() for field in parse("day:date size:int words:text")}
    assert asked["day"] == ("day", "day_from", "day_before")
    assert asked["size"] == ("size", "size_min", "size_max")
    assert asked["words"] == ("words",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names none; write NAME:TYPE"),
        ("name", "'name' is no field; write NAME:TYPE"),
        ("name: text", "'name:' is no field"),
        ("name:text!", "'text!', which does not exist"),
        ("name:string", "which does not exist; there are text, int, .*did you mean text[?]$"),
        ("name:json", r"which does not exist; .*\)$"),
        ("name:strng", "did you mean text[?]$"),
        ("name:String", "did you mean text[?]$"),
        ("patient:references", "did you mean uuid?"),
        ("day:datetim", "did you mean datetime?"),
        ("Name:text", "is no field name; .*: name$"),
        ("startsAt:text", ": starts_at$"),
        ("n\u0430me:text", "is no field name"),
        ("a" * 41 + ":text", "has 41 characters; use at most 40"),
        ("id:uuid", "is there already: each entity has id, owner, version, created_at"),
        ("owner:text", "is there already"),
        ("class:text", "reserved by Python or PostgreSQL; take another, such as class_value"),
        ("user:text", "reserved by Python or PostgreSQL"),
        ("order:int", "reserved by Python or PostgreSQL"),
        ("model_name:text", "pydantic, SQLAlchemy or the lists"),
        ("json:text", "pydantic, SQLAlchemy or the lists"),
        ("copy:bool", "pydantic, SQLAlchemy or the lists"),
        ("metadata:text", "pydantic, SQLAlchemy or the lists"),
        ("limit:int", "reserved by Python or PostgreSQL"),
        ("after:date", "pydantic, SQLAlchemy or the lists"),
        ("date:date", "pydantic, SQLAlchemy or the lists"),
        ("a:text a:int", "'a' stands there twice"),
        ("day:date day_from:text", "would both be asked by 'day_from'"),
        ("size_max:int size:int", "would both be asked by 'size_max'"),
        ("fee:decimal", "says more in parentheses; write fee:decimal\\(8,2\\)"),
        ("fee:decimal(2)", "does not say how many digits"),
        ("fee:decimal(2,2)", "does not say how many digits"),
        ("fee:decimal(2,3)", "does not say how many digits"),
        ("fee:decimal(101,2)", "at most 100"),
        ("note:text(5)?", "takes nothing in parentheses; write note:text\\?"),
        ("state:enum", "says more in parentheses"),
        ("state:enum()", "has no values"),
        ("state:enum(a,a)", "has a value twice"),
        ("state:enum(A)", "cannot have the value 'A'"),
        ("state:enum(a-b)", "cannot have the value 'a-b'"),
        ("created:enum(a,b)", "the name of another class of the entity"),
        ("not_found:enum(a,b)", "the name of another class of the entity"),
    ],
)
def test_what_is_no_field_is_refused_in_one_sentence(text, said):
    with pytest.raises(ScaffoldError) as refused:
        parse(text)
    assert re.search(said, str(refused.value)), refused.value
    assert "\n" not in str(refused.value)


def test_no_field_hides_what_every_model_of_pydantic_has():
    inherited = {name for name in dir(BaseModel) if not name.startswith(("_", "model_"))}
    assert "json" in inherited
    for name in inherited:
        with pytest.raises(ScaffoldError, match=r"pydantic|reserved"):
            parse(f"{name}:text")
