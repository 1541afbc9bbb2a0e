"""The rules: twelve companies and more, held against the article by hand; and what holds for all."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scaffold.deciding.answers import Answers, Pain, Products, Reason
from scaffold.deciding.rules import RULES, Verdict, decide
from scaffold.deciding.ways import in_words, ways
from scaffold.errors import ScaffoldError

ONE, SUITE, SEVERAL = Products
MONOLITH, MODULAR, CARVED, SERVICES = Verdict


# As many as take little time, the same each time, on a machine that may be busy.
forall = settings(deadline=None, derandomize=True, max_examples=60)


@st.composite
def every_answer(draw: st.DrawFn) -> Answers:
    """Any answers that can be true together, most of them near a threshold."""
    engineers = draw(st.sampled_from((1, 2, 24, 25, 26, 79, 80, 81)) | st.integers(1, 5_000))
    teams = draw(st.sampled_from((1, 2)) | st.integers(1, engineers))
    assume(teams <= engineers)
    hurts = draw(st.frozensets(st.sampled_from(Pain)))
    return Answers(
        engineers,
        teams,
        draw(st.sampled_from(Products)),
        hurts - {Pain.BLOCKED_TEAM} if teams == 1 else hurts,
        draw(st.frozensets(st.sampled_from(Reason))),
    )


# Each with the passage that it was held against. "Sizes" is the list of three under the decision rule;
# "carving" the list of four under how services are reached for.
COMPANIES = [
    # What services buy: one team of eight has nobody to coordinate with. Sizes, the first: fewer than
    # about 25 on one product, a monolith.
    ("one team of eight", Answers(8, 1, ONE), MONOLITH, 0),
    # Sizes, the text below the list: twelve who begin with services regret it within 18 months.
    ("twelve ambitious engineers", Answers(12, 2, ONE), MONOLITH, 0),
    # What scaling means: a slow endpoint is mended where it is, and a pegged database is named in the
    # opening as nothing that topology mends. So the size decides.
    (
        "twenty, slow and pegged",
        Answers(20, 3, ONE, frozenset({Pain.SLOW_ENDPOINT, Pain.PEGGED_DATABASE})),
        MONOLITH,
        0,
    ),
    # Sizes: "fewer than ~25" ends at 24, and the second begins at 25.
    ("24 engineers", Answers(24, 4, ONE), MONOLITH, 0),
    ("25 engineers", Answers(25, 4, ONE), MODULAR, 0),
    # Carving, the first: video beside forms and tables may leave, even of a small team. And below it:
    # one service, not five.
    ("ten, with video", Answers(10, 1, ONE, reasons=frozenset({Reason.SCALING})), CARVED, 1),
    # Carving, the second: regulated payments that reports must not take down. Two reasons: still one.
    (
        "fifteen, payments and a partner's API",
        Answers(15, 2, ONE, reasons=frozenset({Reason.ISOLATION, Reason.PARTNER})),
        CARVED,
        1,
    ),
    # Sizes, the second: a tightly coupled suite counts as one product; nothing differs, so nothing
    # is carved.
    ("forty on a suite", Answers(40, 5, SUITE), MODULAR, 0),
    # Sizes, the second: one or two, where a failure domain or a scaling profile differs.
    (
        "sixty, with a transcoder and billing",
        Answers(60, 7, ONE, reasons=frozenset({Reason.SCALING, Reason.ISOLATION})),
        CARVED,
        2,
    ),
    # What scaling means, the last: a blocked team may be helped by ownership as well as by services;
    # and the sizes have services only from 80 on.
    (
        "fifty, one team blocks another",
        Answers(50, 6, SUITE, frozenset({Pain.BLOCKED_TEAM})),
        MODULAR,
        0,
    ),
    # What scaling means, the second: a scary deploy gets worse by services.
    (
        "seventy, scary deploys",
        Answers(70, 9, ONE, frozenset({Pain.SCARY_DEPLOY})),
        MODULAR,
        0,
    ),
    # Sizes: no row for several products of so few. The last section: in doubt, the monolith.
    ("eighteen, three products", Answers(18, 3, SEVERAL), MONOLITH, 0),
    ("fifty, three products", Answers(50, 6, SEVERAL), MODULAR, 0),
    # Sizes, the third: 80 and more with several product surfaces, along the lines of teams.
    ("eight teams of twelve", Answers(96, 8, SEVERAL), SERVICES, 0),
    ("80 engineers", Answers(80, 10, SEVERAL), SERVICES, 0),
    ("79 engineers", Answers(79, 10, SEVERAL), MODULAR, 0),
    # Sizes, the third asks for several products as well: size alone is not in the list.
    ("a hundred on one product", Answers(100, 12, ONE), MODULAR, 0),
    # What services buy: they are for teams that would have to coordinate, and one team has none.
    ("a hundred in one team", Answers(100, 1, SEVERAL), MODULAR, 0),
    # Sizes, the third: cut along teams, so a reason of one part is no other answer.
    (
        "two hundred, with video",
        Answers(200, 20, SEVERAL, reasons=frozenset({Reason.SCALING})),
        SERVICES,
        0,
    ),
]


@pytest.mark.parametrize(
    ("answers", "verdict", "carve"), [c[1:] for c in COMPANIES], ids=[c[0] for c in COMPANIES]
)
def test_a_company_gets_the_answer_of_the_article(answers, verdict, carve):
    rule = decide(answers)
    assert (rule.verdict, rule.carve) == (verdict, carve)


def test_every_rule_decides_for_some_company():
    assert {decide(company[1]).id for company in COMPANIES} == {rule.id for rule in RULES}


@forall
@given(every_answer())
def test_all_valid_answers_have_one_result(answers):
    assert decide(answers).matches(answers)


@forall
@given(every_answer(), st.frozensets(st.sampled_from(Pain)))
def test_pains_never_change_the_result(answers, hurts):
    """The article: which pain it is decides on the cure. Services are for teams."""
    assume(answers.teams > 1 or Pain.BLOCKED_TEAM not in hurts)
    values = {**answers.as_dict(), "hurts": list(hurts)}
    assert decide(Answers.of(values)) == decide(answers)


@forall
@given(every_answer(), every_answer())
def test_more_of_anything_never_makes_it_more_of_a_monolith(one, other):
    """More engineers, teams, products that stand alone, or reasons: the article knows no way back."""
    engineers = max(one.engineers, other.engineers)
    more = Answers(
        engineers,
        min(engineers, max(one.teams, other.teams)),
        max(one.products, other.products, key=list(Products).index),
        reasons=one.reasons | other.reasons,
    )
    order = list(Verdict)
    assert order.index(decide(more).verdict) >= order.index(decide(one).verdict)


@forall
@given(every_answer())
def test_what_would_change_the_result_does(answers):
    for way in ways(answers):
        changed = Answers.of({**answers.as_dict(), **way.changes})
        assert decide(changed).verdict == way.to != decide(answers).verdict


@forall
@given(every_answer())
def test_every_other_result_has_a_way_unless_a_pain_forbids_it(answers):
    found = {way.to for way in ways(answers)}
    assert found == set(Verdict) - {decide(answers).verdict}


@forall
@given(every_answer())
def test_what_one_other_answer_changes_is_told_and_no_nearer_number_is_left_out(answers):
    before = answers.as_dict()
    found = [(way.to, way.changes) for way in ways(answers)]
    for name, values in (
        ("engineers", range(answers.teams, 200)),
        ("teams", range(2, answers.engineers + 1)),
        ("products", Products),
        *((reason, (True, False)) for reason in Reason),
    ):
        nearest = {}
        for value in values:
            verdict = decide(Answers.of({**before, name: value})).verdict
            far = abs(value - before[name]) if isinstance(value, int) else 0
            if verdict != decide(answers).verdict and far < nearest.get(verdict, (10**9,))[0]:
                nearest[verdict] = (far, value)
        for verdict, (_, value) in nearest.items():
            assert (verdict, {name: value}) in found


def test_the_nearest_number_is_the_one_beyond_the_threshold():
    assert next((way.to, way.changes) for way in ways(Answers(30, 30, ONE))) == (
        MONOLITH,
        {"engineers": 24, "teams": 24},
    )
    assert [way.changes for way in ways(Answers(8, 2, SEVERAL)) if way.to == SERVICES] == [
        {"engineers": 80}
    ]


def test_ways_are_told_in_a_few_words():
    found = ways(Answers(96, 8, SEVERAL))
    assert in_words([way for way in found if way.to == MODULAR]) == [
        "one product or a suite",
        "1 team",
        "79 engineers",
    ]
    both = Answers(12, 2, ONE, reasons=frozenset({Reason.PARTNER, Reason.TECHNOLOGY}))
    assert in_words([way for way in ways(both) if way.to == MONOLITH]) == [
        "no technology and no partner"
    ]


@pytest.mark.parametrize(
    ("engineers", "teams", "said"),
    [
        (0, 1, "0 engineers build nothing"),
        (-3, 1, "-3 engineers build nothing"),
        (8, 0, "0 teams are none"),
        (8, 12, "8 engineers cannot fill 12 teams"),
    ],
)
def test_what_cannot_be_true_is_refused(engineers, teams, said):
    with pytest.raises(ScaffoldError, match=said):
        Answers(engineers, teams, ONE)
