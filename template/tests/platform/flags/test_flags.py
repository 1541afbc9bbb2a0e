"""Flags: read from the files of the modules, evaluated here, read anew when a file changes."""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from openfeature import api

from app.platform.flags import provider as flag_provider
from app.platform.flags.files import FlagsError
from app.platform.flags.flags import Flags
from app.platform.flags.provider import FlagFiles
from app.platform.wiring.modules import ModuleFolder
from app.platform.wiring.moved_toml import Move

OFF: dict[str, Any] = {
    "state": "ENABLED",
    "variants": {"on": True, "off": False},
    "defaultVariant": "off",
    "metadata": {"description": "Another way.", "expires": "2999-12-31"},
}
ON = {**OFF, "defaultVariant": "on"}
TENTH = {**OFF, "targeting": {"fractional": [["on", 10], ["off", 90]]}}
FOR_ADA = {**OFF, "targeting": {"if": [{"in": [{"var": "targetingKey"}, ["ada"]]}, "on", "off"]}}
IN_PORTUGAL = {**OFF, "targeting": {"if": [{"==": [{"var": "country"}, "PT"]}, "on", "off"]}}


def deep(levels: int) -> dict[str, Any]:
    return {"!": [deep(levels - 1)]} if levels else {"!": [True]}


class Written:
    """The folder of a module named billing, and what its file and the overriding one say."""

    def __init__(self, folder: Path, like: ModuleFolder) -> None:
        self.folders = [replace(like, path=folder / "billing", owner="@acme/payments")]
        self.file = folder / "billing/flags.json"
        self.overrides = folder / "overrides.json"
        self.file.parent.mkdir()

    def say(self, file: Path, **flags: object) -> None:
        """Write a file as a mounted volume does: another one takes its place."""
        new = file.with_name(uuid4().hex)
        new.write_text(json.dumps({"flags": flags}))
        new.replace(file)

    def use(self, overrides: Path | None = None) -> Flags:
        """Start an application with these files, and return what billing gets."""
        api.set_provider_and_wait(FlagFiles(self.folders, overrides))
        return Flags("billing")


@pytest.fixture
def written(
    tmp_path: Path, folders: Sequence[ModuleFolder], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Written]:
    monkeypatch.setattr(flag_provider, "_PAUSE", 0)
    yield Written(tmp_path, folders[0])
    api.clear_providers()


def test_a_flag_is_what_its_file_says(written: Written) -> None:
    written.say(written.file, a=ON, b=OFF, c={**ON, "state": "DISABLED"})
    flags = written.use()
    assert [flags.is_on(name) for name in "abc"] == [True, False, False]
    assert [each.state for each in FlagFiles(written.folders).flags.values()] == [
        "on",
        "off",
        "off",
    ]


def test_a_flag_may_be_on_for_a_user_or_for_a_kind_of_them(written: Written) -> None:
    written.say(written.file, new=FOR_ADA, local=IN_PORTUGAL)
    flags = written.use()
    assert (flags.is_on("new", user="ada"), flags.is_on("new", user="bob")) == (True, False)
    assert flags.is_on("local", user="ada", country="PT")
    assert not flags.is_on("local", user="ada")


def test_a_percentage_is_about_right_and_the_same_for_a_user_each_time(written: Written) -> None:
    written.say(written.file, new=TENTH)
    flags = written.use()
    users = [uuid4() for _ in range(2000)]
    chosen = {user for user in users if flags.is_on("new", user=user)}
    assert 100 < len(chosen) < 300
    assert chosen == {user for user in users if flags.is_on("new", user=user)}


def test_more_percent_keep_those_who_had_it(written: Written) -> None:
    users = [f"user-{number}" for number in range(500)]
    written.say(written.file, new=TENTH)
    flags = written.use()
    first = {user for user in users if flags.is_on("new", user=user)}
    written.say(written.file, new={**TENTH, "targeting": {"fractional": [["on", 50], ["off", 50]]}})
    assert first < {user for user in users if flags.is_on("new", user=user)}


def test_what_cannot_be_evaluated_is_off_and_said_once(
    written: Written, caplog: pytest.LogCaptureFixture
) -> None:
    written.say(written.file, broken={**ON, "targeting": {"if": [True, "onn", "off"]}})
    flags = written.use()
    with caplog.at_level(logging.ERROR, "app.flags"):
        assert [flags.is_on(name) for name in ("broken", "missing") * 2] == [False] * 4
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "The flag billing.broken counts as off",
        "The flag billing.missing counts as off",
    ]


def test_a_second_mistake_is_said_as_well(
    written: Written, caplog: pytest.LogCaptureFixture
) -> None:
    written.say(written.file)
    flags = written.use()
    for wrong in ("onn", "onn", "offf"):
        assert not flags.is_on("new")
        written.say(written.file, new={**ON, "targeting": {"if": [True, wrong, "off"]}})
        assert not flags.is_on("new")
    messages = [each.getMessage() for each in caplog.records if each.name == "app.flags"]
    assert ["missing" if "not present" in each else each.split()[8] for each in messages] == [
        "missing",
        "onn",
        "offf",
    ]


def test_a_percentage_without_a_user_is_off_and_said_once(
    written: Written, caplog: pytest.LogCaptureFixture
) -> None:
    written.say(written.file, new={**TENTH, "defaultVariant": "on"})
    flags = written.use()
    assert [flags.is_on("new") for _ in range(3)] == [False] * 3
    assert caplog.messages == [
        "The flag billing.new counts as off: its targeting speaks of targetingKey, the call does not"
    ]


AGE = {"var": "age"}
BY_AGE: dict[str, Any] = {
    "a comparison": {"<": [AGE, 18]},
    "not": {"!": {"==": [AGE, 18]}},
    "other than": {"!=": [AGE, 18]},
    "nobody among": {"!": {"in": [AGE, [18]]}},
    "within another": {"and": [True, {"or": [False, {"if": [{">": [18, AGE]}, True, False]}]}]},
    "arithmetic": {"<": [{"+": [AGE, 1]}, 18]},
    "a pattern": {"!": {"starts_with": [AGE, "1"]}},
    "a version": {"!": {"sem_ver": [AGE, ">=", "1.0.0"]}},
    "a list": {"none": [{"merge": [AGE]}, {"==": [{"var": ""}, 3]}]},
    "alone": {"!": AGE},
    "a bucket": {"fractional": [AGE, ["on", 1]]},
}


@pytest.mark.parametrize("condition", BY_AGE.values(), ids=BY_AGE)
@pytest.mark.parametrize("told", [{}, {"age": None}, {"agee": 1}], ids=["nothing", "null", "other"])
def test_a_rule_about_what_nobody_said_is_off_and_said_once(
    written: Written, condition: object, told: Any, caplog: pytest.LogCaptureFixture
) -> None:
    written.say(written.file, new={**ON, "targeting": {"if": [condition, "on", "off"]}})
    flags = written.use()
    assert [flags.is_on("new", user="ada", **told) for _ in range(2)] == [False] * 2
    assert caplog.messages == [
        "The flag billing.new counts as off: its targeting speaks of age, the call does not"
    ]


@pytest.mark.parametrize(
    ("condition", "age"),
    [
        ({"<": [AGE, 18]}, "17"),
        ({"<": [AGE, 18]}, False),
        ({"!": {">=": [AGE, 18]}}, "young"),
        ({"!": {">=": [AGE, 18]}}, float("nan")),
        ({"!=": [AGE, 18]}, "18"),
        ({"<": [{"/": [36, AGE]}, 2]}, 0),
        ({"<": [{"+": [AGE, 1]}, 18]}, "young"),
        ({"!": {"in": [AGE, ["18", "19"]]}}, 18),
        ({"!": {"in": [AGE, "18, 19"]}}, 18),
        ({"!": {"starts_with": [AGE, "1"]}}, 18),
        ({"!": {"ends_with": [AGE, "8"]}}, 18),
        ({"!": {"sem_ver": [AGE, ">=", "1.0.0"]}}, "old"),
    ],
)
def test_a_rule_is_off_for_what_it_cannot_compare(
    written: Written, condition: object, age: Any, caplog: pytest.LogCaptureFixture
) -> None:
    written.say(written.file, new={**ON, "targeting": {"if": [condition, "on", "off"]}})
    flags = written.use()
    assert [flags.is_on("new", user="ada", age=age) for _ in range(2)] == [False] * 2
    [said] = caplog.messages
    assert said.startswith("The flag billing.new counts as off: its targeting does not work: ")


PLAN = {"var": "plan"}
CARTS: Any = [{"plan": "pro"}, {"name": "b"}]


@pytest.mark.parametrize(
    ("condition", "carts"),
    [
        ({"none": [{"var": "carts"}, {"==": [PLAN, "free"]}]}, CARTS),
        ({"all": [{"var": "carts"}, {"!=": [PLAN, "free"]}]}, CARTS),
        ({"some": [{"var": "carts"}, {"!=": [PLAN, "free"]}]}, CARTS),
        ({"some": [{"var": "carts"}, {"!": [PLAN]}]}, CARTS[::-1]),
        ({"some": [{"var": "carts"}, {"==": [PLAN, "pro"]}]}, CARTS),  # In whichever order.
        ({"!": {"filter": [{"var": "carts"}, {"==": [PLAN, "free"]}]}}, CARTS),
        ({"!": {"in": ["free", {"map": [{"var": "carts"}, PLAN]}]}}, CARTS),
        ({"!": {"reduce": [{"var": "carts"}, {"var": "current.plan"}, 1]}}, CARTS),
        ({"none": [[{"var": "carts"}], {"==": [PLAN, "free"]}]}, 1),
        ({"none": [{"var": "carts"}, {"==": [{"var": ""}, "free"]}]}, "free"),
        ({"!": {"some": [{"var": "carts"}, {"==": [{"var": ""}, "free"]}]}}, "free"),
        ({"all": [["free", "pro"], {"!=": [{"var": ""}, {"var": "carts"}]}]}, "free"),
    ],
)
def test_a_rule_about_items_is_off_where_they_lack_what_it_speaks_of(
    written: Written, condition: object, carts: Any, caplog: pytest.LogCaptureFixture
) -> None:
    written.say(written.file, new={**ON, "targeting": {"if": [condition, "on", "off"]}})
    flags = written.use()
    assert [flags.is_on("new", carts=carts) for _ in range(2)] == [False] * 2
    assert len(caplog.messages) == 1


def test_a_rule_about_items_that_have_it_says_what_it_says(
    written: Written, caplog: pytest.LogCaptureFixture
) -> None:
    carts: Any = [{"plan": "pro"}, {"plan": "free", "lines": [{"price": 1}]}]
    for condition in (
        {"some": [{"var": "carts"}, {"==": [PLAN, "free"]}]},
        {"none": [{"var": "carts"}, {"==": [PLAN, "gold"]}]},
        {"none": [{"filter": [{"var": "carts"}, {"==": [PLAN, "gold"]}]}, {"==": [PLAN, "pro"]}]},
        {"some": [{"var": "carts"}, {"==": [{"var": ["name", "nobody"]}, "nobody"]}]},
        {"all": [{"var": "carts"}, {"if": [{"missing": ["name"]}, True, {"var": "name"}]}]},
        {
            "some": [
                {"filter": [{"var": "carts"}, {"==": [PLAN, "free"]}]},
                {"some": [{"var": "lines"}, {"==": [{"var": "price"}, 1]}]},
            ]
        },
        {">": [{"reduce": [[1, 2], {"+": [{"var": "current"}, {"var": "accumulator"}]}, 0]}, 2]},
        {"all": [["PT", "ES"], {"!=": [{"var": ""}, "FR"]}]},
    ):
        written.say(written.file, new={**OFF, "targeting": {"if": [condition, "on", "off"]}})
        assert written.use().is_on("new", carts=carts), condition
    assert caplog.messages == []


@pytest.mark.parametrize(
    "condition",
    [
        {"none": []},
        {"none": [[1]]},
        {"none": {"var": "carts"}},
        {"==": []},
        {"!=": [AGE]},
        {"<": [AGE]},
        {"!": []},
    ],
)
def test_an_operation_without_its_parts_is_refused(written: Written, condition: object) -> None:
    written.say(written.file, new={**OFF, "targeting": {"if": [condition, "on", "off"]}})
    with pytest.raises(FlagsError, match=r"needs \d parts for"):
        written.use()


def test_a_rule_that_says_what_is_to_hold_without_an_attribute_needs_none(
    written: Written, caplog: pytest.LogCaptureFixture
) -> None:
    for condition in (
        {"<": [{"var": ["age", 17]}, 18]},
        {"==": [{"var": ["age", None]}, None]},
        {"if": [{"missing": ["age"]}, True, {"<": [AGE, 18]}]},
        {"if": [{"missing_some": [1, ["age"]]}, True, {"<": [AGE, 18]}]},
        {"some": [[17], {"<": [{"var": ""}, 18]}]},
        {"==": [{"var": "$flagd.flagKey"}, "billing.new"]},
    ):
        written.say(written.file, new={**OFF, "targeting": {"if": [condition, "on", "off"]}})
        assert written.use().is_on("new"), condition
    assert caplog.messages == []


def test_an_overriding_rule_is_held_to_the_same(
    written: Written, caplog: pytest.LogCaptureFixture
) -> None:
    written.say(written.file, new=ON)
    rule = {"targeting": {"if": [{"<": [AGE, 18]}, "on", "off"]}}
    written.say(written.overrides, **{"billing.new": rule})
    flags = written.use(written.overrides)
    assert (flags.is_on("new"), flags.is_on("new", age=17)) == (False, True)
    assert "speaks of age" in caplog.text


def test_with_no_files_read_every_flag_is_off() -> None:
    assert not Flags("billing").is_on("anything")


def test_a_change_of_the_file_is_seen_while_it_runs(written: Written) -> None:
    flags = written.use()
    for state in (ON, OFF, ON):
        written.say(written.file, new=state)
        assert flags.is_on("new") == (state is ON)


def test_a_file_that_breaks_while_it_runs_changes_nothing(
    written: Written, caplog: pytest.LogCaptureFixture
) -> None:
    written.say(written.file, new=ON)
    flags = written.use()
    written.file.write_text("{")
    assert [flags.is_on("new") for _ in range(3)] == [True] * 3
    assert len(caplog.records) == 1
    assert "The flags stay as they were: billing/flags.json cannot be read" in caplog.text
    written.say(written.file, new=OFF)
    assert not flags.is_on("new")


def test_another_file_overrides_what_the_module_says(written: Written) -> None:
    written.say(written.file, a=ON, b=TENTH, c=ON)
    written.say(
        written.overrides,
        **{
            "billing.a": {"state": "DISABLED"},
            "billing.b": {"defaultVariant": "on", "targeting": {}},
        },
    )
    flags = written.use(written.overrides)
    assert [flags.is_on(name, user="ada") for name in "abc"] == [False, True, True]
    written.say(written.overrides)
    assert flags.is_on("a")


def test_what_it_says_of_unknown_flags_is_only_logged(
    written: Written, caplog: pytest.LogCaptureFixture
) -> None:
    written.say(written.overrides, **{"billing.gone": {"state": "DISABLED"}})
    written.use(written.overrides)
    assert f"{written.overrides} speaks of flags that no module has: billing.gone" in caplog.text


def test_what_it_says_under_the_name_that_a_module_had_counts_until_that_is_gone(
    written: Written,
) -> None:
    written.say(written.file, a=ON, b=ON, c=ON)
    out = {"state": "DISABLED"}
    said = {"invoices.a": out, "invoices.b": out, "billing.b": {"state": "ENABLED"}}
    written.say(written.overrides, **said, **{"billing.c": out})
    [folder] = written.folders
    renamed = Move("rename", "invoices", date(2026, 11, 30), "billing")
    for move, found in ((None, [True, True, False]), (renamed, [False, True, False])):
        written.folders = [replace(folder, renamed=move)]
        flags = written.use(written.overrides)
        assert [flags.is_on(name) for name in "abc"] == found


def test_an_overriding_file_that_goes_away_changes_nothing(written: Written) -> None:
    written.say(written.file, a=OFF)
    written.say(written.overrides, **{"billing.a": {"defaultVariant": "on"}})
    flags = written.use(written.overrides)
    written.overrides.unlink()
    assert flags.is_on("a")


def test_a_flag_belongs_to_the_module_s_owner_or_to_its_own(written: Written) -> None:
    own = {**ON, "metadata": {**ON["metadata"], "owner": "@acme/growth"}}
    written.say(written.file, a=ON, b=own)
    flags = FlagFiles(written.folders).flags
    assert [flags[f"billing.{name}"].owner for name in "ab"] == ["@acme/payments", "@acme/growth"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "billing/flags.json cannot be read as JSON: "),
        ("[]", "billing/flags.json: the file: "),
        ({}, "billing/flags.json: flags: Field required."),
        ({"flags": {"New": ON}}, "billing/flags.json: flags → New: "),
        ({"flags": {"a": {**ON, "state": "ON"}}}, "flags → a → state: Input should be 'ENABLED'"),
        ({"flags": {"a": {**ON, "variants": {"on": "x"}}}}, "flags → a → variants → on: "),
        ({"flags": {"a": {**ON, "default": "on"}}}, "flags → a → default: Extra inputs"),
        (
            {"flags": {"a": {**ON, "targeting": {"if": [True, "on", {"no_such": [1]}]}}}},
            "flags → a → targeting: has an operation that does not exist, 'no_such'.",
        ),
        (
            {"flags": {"a": {**ON, "targeting": {"==": [1, 1], "in": [1, [1]]}}}},
            "targeting: has 2 operations where one is expected: ==, in.",
        ),
        (
            {"flags": {"a": {**ON, "targeting": {"!": [{"var": {"cat": ["a", "b"]}}]}}}},
            "targeting: has a var whose name is computed: write it out.",
        ),
        (
            {"flags": {"a": {**ON, "targeting": {"!": [{"$ref": "adults"}]}}}},
            "targeting: has an operation that does not exist, '$ref'.",
        ),
        (
            {"flags": {"a": {**ON, "targeting": deep(60)}}},
            "targeting: is nested more than 50 levels deep.",
        ),
        ("[" * 100_000, "billing/flags.json cannot be read as JSON: it is nested too deep."),
        (
            {"flags": {"a": {**ON, "defaultVariant": "yes"}}},
            "billing.a: the defaultVariant 'yes' is not one of its variants, on, off.",
        ),
        (
            {"flags": {"a": {**ON, "metadata": {"description": "x"}}}},
            "flags → a → metadata → expires: Field required.",
        ),
        (
            {"flags": {"a": {**ON, "metadata": {"description": "x", "expires": "soon"}}}},
            "flags → a → metadata → expires: Input should be a valid date",
        ),
    ],
    ids=lambda given: str(given)[:60],
)
def test_a_malformed_file_is_refused_with_the_place(
    written: Written, content: object, says: str
) -> None:
    written.file.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(FlagsError) as refused:
        FlagFiles(written.folders)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_malformed_override_is_refused_with_the_place(written: Written) -> None:
    written.say(written.file, a=ON)
    written.say(written.overrides, **{"billing.a": {"state": "off"}})
    with pytest.raises(FlagsError, match=r"overrides\.json: billing\.a: state: "):
        FlagFiles(written.folders, written.overrides)


def test_an_override_with_an_unknown_operation_is_refused(written: Written) -> None:
    written.say(written.file, a=ON)
    written.say(written.overrides, **{"billing.a": {"targeting": {"no_such": []}}})
    with pytest.raises(FlagsError, match=r"billing\.a: targeting: has an operation"):
        FlagFiles(written.folders, written.overrides)
