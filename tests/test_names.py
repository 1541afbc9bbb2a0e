"""The rules for names."""

import keyword
from pathlib import Path

import pytest
import yaml

from scaffold import names
from scaffold.errors import ScaffoldError

COPIER = yaml.safe_load((Path(__file__).parents[1] / "copier.yml").read_text())


def test_reserved_words_are_the_same_in_copier_yml():
    assert set(COPIER["reserved_names"]["default"].split()) == names.RESERVED


def test_every_lower_case_python_keyword_is_reserved():
    assert {word for word in keyword.kwlist if word.islower()} <= names.RESERVED


@pytest.mark.parametrize(
    "name", ["billing", "calendar", "email", "match", "json", "billing2", "line_items", "a" * 30]
)
def test_good_names_are_accepted(name):
    names.check_module(name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("2fast", "is no module name"),
        ("", "is no module name"),
        ("Billing", "starting with a letter: billing"),
        ("LineItems", "starting with a letter: line_items"),
        ("line-items", "starting with a letter: line_items"),
        ("line items", "starting with a letter: line_items"),
        ("line__items", "starting with a letter: line_items"),
        ("café", "starting with a letter: cafe"),
        ("class", "reserved"),
        ("None", "is no module name"),
        ("select", "reserved"),
        ("order", "such as 'orders'"),
        ("class", "such as 'classes'"),
        ("events", "such as 'our_events'"),
        ("public", "reserved"),
        ("queue", "reserved"),
        ("con", "reserved"),
        ("com1", "reserved"),
        ("test", "such as 'our_test'"),
        ("pg_billing", "such as 'billing'"),
        ("a" * 31, "has 31 characters; use at most 30"),
        ("../x", "'../x' is no module name"),
        ("/etc/passwd", "'/etc/passwd' is no module name"),
        ("a/b", "is no module name"),
        ("bil\0ling", r"'bil\x00ling' is no module name"),
        ("billing\n", r"'billing\n' is no module name"),
        ("b\u0456lling", r"'b\u0456lling' is no module name"),
        ("\uff42illing", r"'\uff42illing' is no module name"),
        ("-C", "is no module name"),
    ],
)
def test_bad_names_are_refused_with_a_way_out(name, said):
    with pytest.raises(ScaffoldError) as refusal:
        names.check_module(name)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert str(refusal.value).isascii()


@pytest.mark.parametrize("name", ["lineitems", "line_items", "li_neitems"])
def test_a_name_that_is_nearly_taken_is_refused(name):
    with pytest.raises(ScaffoldError, match="too like the module 'LINE-items'"):
        names.check_lookalike(name, ["catalog", "LINE-items"])


def test_a_name_is_not_like_itself():
    names.check_lookalike("catalog", ["catalog", "ordering"])


@pytest.mark.parametrize("entity", ["invoice", "order", "user", "line_item"])
def test_good_entities_are_accepted(entity):
    names.check_entity(entity, "billing", ["Identity"])


@pytest.mark.parametrize(
    ("entity", "module"),
    [
        ("class", "billing"),
        ("tx", "billing"),
        ("not_found", "billing"),
        ("uuid", "billing"),
        ("query", "billing"),
        ("Invoice", "billing"),
        ("a" * 41, "billing"),
        ("billing", "billing"),
        ("bill_ing", "billing"),
        ("identity", "billing"),
        ("billing_service", "billing"),
        ("item", "item_page"),
        ("item", "new_item"),
    ],
)
def test_bad_entities_are_refused(entity, module):
    with pytest.raises(ScaffoldError, match="entity"):
        names.check_entity(entity, module, ["Identity"])


@pytest.mark.parametrize("owner", ["@acme/payments", "@ann", "@acme/a/b", "@acme/pay.ments_2"])
def test_good_owners_are_accepted(owner):
    names.check_owner(owner)


@pytest.mark.parametrize("owner", ["acme", "@", "@acme/", "@a b", "@acme\n* @evil", ""])
def test_bad_owners_are_refused(owner):
    with pytest.raises(ScaffoldError, match="is no owner"):
        names.check_owner(owner)


@pytest.mark.parametrize(
    ("name", "good"), [("shop", True), ("web-shop", True), ("Shop", False), ("app", False)]
)
def test_a_folder_names_the_product_if_it_can(name, good):
    assert names.is_project(name) is good


def test_dependencies_are_the_same_in_copier_yml():
    assert set(COPIER["dependency_names"]["default"].split()) == names.DEPENDENCIES


@pytest.mark.parametrize("name", ["none", "true", "false"])
def test_what_makes_a_class_of_pythons_own_is_refused(name):
    with pytest.raises(ScaffoldError, match="reserved"):
        names.check_module(name)
    with pytest.raises(ScaffoldError, match=f"entity '{name}'"):
        names.check_entity(name, "billing")


def test_what_makes_a_class_that_pytest_collects_is_refused():
    with pytest.raises(ScaffoldError, match=r"pytest takes for tests; .*'our_testimonials'"):
        names.check_module("testimonials")
    with pytest.raises(ScaffoldError, match=r"pytest takes for tests; .*'reviews_test_run'"):
        names.check_entity("test_run", "reviews")
    names.check_entity("contest", "attestations")


@pytest.mark.parametrize("plural", ["series", "analyses", "line_items"])
def test_good_plurals_are_accepted(plural):
    names.check_plural(plural, "series")


@pytest.mark.parametrize("plural", ["Invoices", "a-b", "", "a" * 29, "ser_ies"])
def test_bad_plurals_are_refused(plural):
    with pytest.raises(ScaffoldError, match="plural"):
        names.check_plural(plural, "series")


def test_an_entity_and_a_module_that_numbers_sort_otherwise_are_refused():
    with pytest.raises(ScaffoldError, match="differ in a number"):
        names.check_entity("sha256", "sha3")
    names.check_entity("phase2", "phases")
    names.check_entity("sha256", "hashes")
