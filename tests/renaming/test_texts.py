"""What refers to a module in any other file follows, and every other byte stays."""

import re
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffold.renaming.facts import Facts
from scaffold.renaming.texts import Words, put

CASES = {
    "CODEOWNERS": (
        "/src/app/modules/billing/ @a\n/src/app/modules/catalog/ @b\n/docs/billing/ @c\n",
        "/src/app/modules/catalog/ @b\n/src/app/modules/invoicing/ @a\n/docs/billing/ @c\n",
    ),
    "src/app/modules/ordering/module.toml": (
        'owner = "@acme/billing"\ndepends_on = ["billing", "catalog"]\n',
        'owner = "@acme/billing"\ndepends_on = ["catalog", "invoicing"]\n',
    ),
    "src/app/modules/ordering/.copier-answers.module.yml": (
        'module: "ordering"\nentity: "billing"\ndepends_on: {"billing": "Billing", "catalog": "Catalog"}\n',
        'module: "ordering"\nentity: "billing"\ndepends_on: {"catalog": "Catalog", "invoicing": "Invoicing"}\n',
    ),
    "src/app/modules/billing/.copier-answers.module.yml": (
        'module: "billing"\nentity: "charge"\n',
        'module: "invoicing"\nentity: "charge"\n',
    ),
    ".copier-answers.yml": (
        "description: billing\nmodules:\n- billing\n- billing_core\nowner: billing\n",
        "description: billing\nmodules:\n- invoicing\n- billing_core\nowner: billing\n",
    ),
    "observability/mine.yml": (
        """
        expr: sum(slo{module="billing"}) + x{module=~"catalog|billing"} + y{kind="billing"}
        module: billing  # of billing
        escaped: "{module=\\"billing\\"}"
        team: billing
        """,
        """
        expr: sum(slo{module="invoicing"}) + x{module=~"catalog|invoicing"} + y{kind="billing"}
        module: invoicing  # of billing
        escaped: "{module=\\"invoicing\\"}"
        team: billing
        """,
    ),
    "deploy/settings.env": (
        "LOG_LEVELS=billing=debug app=info\nBILLING_KEY=billing\n",
        "LOG_LEVELS=invoicing=debug app=info\nBILLING_KEY=billing\n",
    ),
    "deploy/flags.json": (
        '{"flags": {"billing.new_tax": {"state": "DISABLED"}, "billing.other": {}}}\n',
        '{"flags": {"invoicing.new_tax": {"state": "DISABLED"}, "billing.other": {}}}\n',
    ),
    "docs/mine.md": (
        """
        # billing

        Our billing calls `Billing.charge`; `app slow --module billing` shows it, the role is `shop__billing`.

        ```python
        from app.modules.billing import Billing
        b: Billing = wired[Billing]
        ```

        See [it](../src/app/modules/billing/README.md), `/billing/accounts`, billing/accounts, and Billing.
        """,
        """
        # billing

        Our billing calls `Invoicing.charge`; `app slow --module invoicing` shows it, the role is `shop__invoicing`.

        ```python
        from app.modules.invoicing import Invoicing
        b: Invoicing = wired[Invoicing]
        ```

        See [it](../src/app/modules/invoicing/README.md), `/invoicing/accounts`, billing/accounts, and Billing.
        """,
    ),
    "src/app/modules/billing/README.md": (
        """
        # billing

        The billing of `billing`: schema `billing`, under `/billing`, scope `billing:write`.
        `SELECT * FROM billing.whatever`, `app make-migration billing "x"`; see [us](../billing/jobs.py).
        """,
        """
        # invoicing

        The billing of `invoicing`: schema `invoicing`, under `/invoicing`, scope `billing:write`.
        `SELECT * FROM invoicing.whatever`, `app make-migration invoicing "x"`; see [us](../invoicing/jobs.py).
        """,
    ),
    "scripts/mend.sql": (
        "UPDATE billing.charges SET billing = 1 WHERE note = 'billing';\n-- billing is over\n",
        "UPDATE invoicing.charges SET billing = 1 WHERE note = 'billing';\n-- billing is over\n",
    ),
    "src/app/modules/billing/upkeep.sql": (
        "REINDEX INDEX ix_billing_charges_owner;\n",
        "REINDEX INDEX ix_invoicing_charges_owner;\n",
    ),
    "src/app/modules/catalog/upkeep.sql": (
        "REINDEX INDEX ix_billing_charges_owner;\n",  # Of a table `billing_charges`.
        "REINDEX INDEX ix_billing_charges_owner;\n",
    ),
    "scripts/python2.py": (
        "print 'app.modules.billing', \"billing\"\n",
        "print 'app.modules.invoicing', \"billing\"\n",
    ),
}


@pytest.mark.parametrize("path", CASES)
def test_what_refers_to_it_follows_and_what_does_not_stays(path, becomes):
    before, after = CASES[path]
    assert becomes(path, before) == dedent(after).lstrip("\n")


def test_an_example_keeps_the_name_by_which_it_is_rendered(becomes):
    path, text = (
        "src/app/modules/billing/.copier-answers.module.yml",
        "example: shop\nmodule: billing\n",
    )
    assert becomes(path, text) == text


def test_what_the_template_wrote_stays_line_by_line(rename):
    path = "observability/rules_test.yml"
    example = "- series: 'x{module=\"billing\"}'"
    done = rename({path: f"{example}\n{example} # ours\n"}, {path: {example}})
    (file,) = [file for file in done.files if file.path == path]
    assert file.after.decode() == f"{example}\n{example} # ours\n".replace(
        "billing\"}' #", "invoicing\"}' #"
    )
    assert not [each for each in done.left if each.path == path]


def test_what_is_left_is_listed_by_line_but_not_what_the_new_name_has(rename):
    done = rename(
        {
            "docs/mine.md": "a billing\nb\nBILLING_KEY, prebilling, billings\nsrc/app/modules/billing/x\n"
        },
        new="billing_core",
    )
    left = [(each.path, each.line) for each in done.left if each.path.startswith("docs")]
    assert left == [("docs/mine.md", 1), ("docs/mine.md", 3)]


def test_a_folder_of_tests_elsewhere_follows_with_its_imports(rename):
    done = rename(
        {
            "tests/modules/billing/helpers.py": "x = 1\n",
            "tests/test_it.py": "from tests.modules.billing.helpers import x\n",
        }
    )
    after = {file.path: file.after.decode() for file in done.files}
    assert after["tests/modules/invoicing/helpers.py"] == "x = 1\n"
    assert after["tests/test_it.py"] == "from tests.modules.invoicing.helpers import x\n"


@pytest.mark.parametrize(
    ("old", "new", "text", "after"),
    [
        ("pay", "wallet", "from app.modules.payments import Pay, Payments\npay = 'pay'\n", None),
        (
            "pay",
            "wallet",
            "from app.modules.pay import Pay\nfrom app.modules.payments import Payments\nx = Pay\n",
            "from app.modules.wallet import Wallet\nfrom app.modules.payments import Payments\nx = Wallet\n",
        ),
        (
            "line_items",
            "lines",
            'from app.modules.line_items import LineItems\n\nx = LineItems, "/line-items/accounts", "line-items"\n',
            'from app.modules.lines import Lines\n\nx = Lines, "/lines/accounts", "line-items"\n',
        ),
        (
            "lines",
            "line_items",
            "from app.modules.lines import Lines\n\n\ndef f(lines: Lines, x: list[str]):\n    return lines, [x.lines for x in x]\n",
            "from app.modules.line_items import LineItems\n\n\ndef f(line_items: LineItems, x: list[str]):\n    return line_items, [x.lines for x in x]\n",
        ),
    ],
)
def test_awkward_names(old, new, text, after, becomes):
    path = "src/app/modules/ordering/service.py"
    assert becomes(path, text, old=old, new=new) == (after or text)


FACTS = Facts("billing", "invoicing", {"charges"}, {"charges", "send"}, {"charge"}, [("GET", "/a")])
PIECES = st.sampled_from(
    "billing Billing BILLING billings pre_billing billing: billing- 'billing' billing=1 billing.x "
    "/billing billing/ é \U0001f4b8 \t \n \r\n a_billing x.billing.charges $billing.send".split(" ")
)


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES | st.text(max_size=5)).map(" ".join))
def test_words_that_are_no_reference_stay_byte_for_byte(text):
    assert put(text, Words(FACTS).spans(text)) == text


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=20), st.text(max_size=20))
def test_around_a_reference_every_byte_stays(before, behind):
    before, behind = (re.sub(r"billing", "", each, flags=re.I) for each in (before, behind))
    text = f"{before} src/app/modules/billing/ {behind}"
    assert put(text, Words(FACTS).spans(text)) == f"{before} src/app/modules/invoicing/ {behind}"
