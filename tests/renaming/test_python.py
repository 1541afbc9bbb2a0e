"""What refers to a module in Python follows: each case is a file before and after."""

from textwrap import dedent

import pytest

ORDERING = "src/app/modules/ordering/service.py"
CASES = {
    "an import, its class, and where that is used": (
        """
        from app.modules.billing import Billing, Charge

        def f(b: Billing, c: "Billing | None") -> Charge:
            return b
        """,
        """
        from app.modules.invoicing import Invoicing, Charge

        def f(b: Invoicing, c: "Invoicing | None") -> Charge:
            return b
        """,
    ),
    "a relative import of another module": (
        "from ..billing import Charge\nfrom .. import billing\n\nx = billing.Billing, billing.Charge\n",
        "from ..invoicing import Charge\nfrom .. import invoicing\n\nx = invoicing.Invoicing, invoicing.Charge\n",
    ),
    "an import of the whole path": (
        "import app.modules.billing\n\nx = app.modules.billing.Billing\n",
        "import app.modules.invoicing\n\nx = app.modules.invoicing.Invoicing\n",
    ),
    "a path through a package above": (
        "from app import modules\n\nx = modules.billing.service.BillingService\n",
        "from app import modules\n\nx = modules.invoicing.service.InvoicingService\n",
    ),
    "a name that the file gives stays": (
        "from app.modules.billing import Billing as B\n\nx: B\n",
        "from app.modules.invoicing import Invoicing as B\n\nx: B\n",
    ),
    "a local name that is bound twice stays": (
        """
        try:
            from app.modules.billing import Billing
        except ImportError:
            Billing = None
        """,
        """
        try:
            from app.modules.invoicing import Invoicing as Billing
        except ImportError:
            Billing = None
        """,
    ),
    "a parameter, what it is called by, and an attribute": (
        """
        from app.modules.billing import Billing

        class Ordering:
            def __init__(self, db, billing: Billing) -> None:
                self._billing = billing

            async def order(self):
                await self._billing.charge()

        def build(db, billing: Billing) -> Ordering:
            return Ordering(db, billing=billing)
        """,
        """
        from app.modules.invoicing import Invoicing

        class Ordering:
            def __init__(self, db, invoicing: Invoicing) -> None:
                self._invoicing = invoicing

            async def order(self):
                await self._invoicing.charge()

        def build(db, invoicing: Invoicing) -> Ordering:
            return Ordering(db, invoicing=invoicing)
        """,
    ),
    "a parameter stays where its new name means something else": (
        """
        from app.modules.billing import Billing

        def build(billing: Billing, orders):
            invoicing = orders.all()
            return billing, invoicing
        """,
        """
        from app.modules.invoicing import Invoicing

        def build(billing: Invoicing, orders):
            invoicing = orders.all()
            return billing, invoicing
        """,
    ),
    "an attribute that others read stays": (
        """
        from app.modules.billing import Billing

        class Ordering:
            def __init__(self, billing: Billing) -> None:
                self.billing = billing

        def see(ordering: Ordering):
            return ordering.billing
        """,
        """
        from app.modules.invoicing import Invoicing

        class Ordering:
            def __init__(self, invoicing: Invoicing) -> None:
                self.billing = invoicing

        def see(ordering: Ordering):
            return ordering.billing
        """,
    ),
    "what stands in for the interface": (
        """
        from app.modules.billing import Billing

        class FakeBilling(Billing): ...

        class Slow(FakeBilling): ...

        def f():
            billing = FakeBilling()
            return billing
        """,
        """
        from app.modules.invoicing import Invoicing

        class FakeInvoicing(Invoicing): ...

        class Slow(FakeInvoicing): ...

        def f():
            invoicing = FakeInvoicing()
            return invoicing
        """,
    ),
    "a column, a key, a word and another module's class of that name": (
        """
        from dataclasses import dataclass

        class Billing: ...

        @dataclass
        class Address:
            billing: bool
            kind: str = "billing"

        def f(billing: bool, billings: int) -> dict:
            # Who is billing whom?
            return {"billing": billing, "prebilling": Address(billing=True).billing, "a": Billing}
        """,
        None,
    ),
    "names that only begin or end with it": (
        "from app.modules.billing_core import Billing\nfrom app.modules.prebilling import Billing as B\n\nx = Billing, B\n",
        None,
    ),
    "strings by what takes them": (
        """
        from app.platform.database import Database

        db = Database(engine, "billing")
        flags = Flags("billing")
        role = role_of(login, "billing")
        other = pay("billing")
        SCHEMA = "billing"
        t = Table("t", m, schema=SCHEMA)
        logged = line["module"] == "billing"
        command = ["app", "slow", "--module", "billing"]
        """,
        """
        from app.platform.database import Database

        db = Database(engine, "invoicing")
        flags = Flags("invoicing")
        role = role_of(login, "invoicing")
        other = pay("billing")
        SCHEMA = "invoicing"
        t = Table("t", m, schema=SCHEMA)
        logged = line["module"] == "invoicing"
        command = ["app", "slow", "--module", "invoicing"]
        """,
    ),
    "SQL, and an alias in it": (
        """
        a = text("SELECT * FROM billing.charges AS c WHERE c.billing = 1")
        b = text("SELECT billing.id FROM ordering.orders AS billing")
        c = f"GRANT SELECT ON billing.{table} TO shop__billing"
        d = text(
            "INSERT INTO "
            "billing.other VALUES (1)"
        )
        e = 'SET ROLE "app__billing__owner"'
        """,
        """
        a = text("SELECT * FROM invoicing.charges AS c WHERE c.billing = 1")
        b = text("SELECT billing.id FROM ordering.orders AS billing")
        c = f"GRANT SELECT ON invoicing.{table} TO shop__invoicing"
        d = text(
            "INSERT INTO "
            "invoicing.other VALUES (1)"
        )
        e = 'SET ROLE "app__invoicing__owner"'
        """,
    ),
    "jobs, flags, addresses and places": (
        """
        names = "billing.send_invoice", "billing.new_tax", "billing.unknown"
        urls = f"{host}/billing/accounts/1", "/billing/accounts", "/billing/portal", "x/billing/accounts"
        patched = "app.modules.billing.service.BillingService"
        file = "src/app/modules/billing/jobs.py"  # src/app/modules/billing_core
        """,
        """
        names = "invoicing.send_invoice", "invoicing.new_tax", "billing.unknown"
        urls = f"{host}/invoicing/accounts/1", "/invoicing/accounts", "/billing/portal", "x/billing/accounts"
        patched = "app.modules.invoicing.service.InvoicingService"
        file = "src/app/modules/invoicing/jobs.py"  # src/app/modules/billing_core
        """,
    ),
    "what a docstring says of it in code": (
        '''
        """Calls `Billing`. Raises what Billing.charge raises. Billing is hard."""
        ''',
        '''
        """Calls `Invoicing`. Raises what Invoicing.charge raises. Billing is hard."""
        ''',
    ),
    "a function of a library is not the one of that name here": (
        """
        from library import take as other

        from app.modules.billing import Billing

        def take(billing: Billing): ...

        take(billing=1), other(billing=2), unknown(billing=3)
        """,
        """
        from library import take as other

        from app.modules.invoicing import Invoicing

        def take(invoicing: Invoicing): ...

        take(invoicing=1), other(billing=2), unknown(billing=3)
        """,
    ),
    "a variable that an inner function sets stays": (
        """
        from app.modules.billing import Billing

        def f(billing: Billing):
            def inner():
                nonlocal billing
                billing = None
            return billing, inner
        """,
        """
        from app.modules.invoicing import Invoicing

        def f(billing: Invoicing):
            def inner():
                nonlocal billing
                billing = None
            return billing, inner
        """,
    ),
    "names that are imported for types only, in quotes, and exported": (
        """
        from typing import TYPE_CHECKING

        if TYPE_CHECKING:
            from app.modules import billing as b
            from app.modules.billing import Billing

        __all__ = ["Billing", "f"]

        def f(billing: "Billing | None", other: "b.Billing") -> "list[Billing]":
            return f"{billing!r:>{billing}}" and (billing := billing or other)
        """,
        """
        from typing import TYPE_CHECKING

        if TYPE_CHECKING:
            from app.modules import invoicing as b
            from app.modules.invoicing import Invoicing

        __all__ = ["Invoicing", "f"]

        def f(invoicing: "Invoicing | None", other: "b.Invoicing") -> "list[Invoicing]":
            return f"{invoicing!r:>{invoicing}}" and (invoicing := invoicing or other)
        """,
    ),
}


FIXTURES = {
    "src/app/modules/ordering/tests/conftest.py": """
        import pytest
        from app.modules.billing import Billing

        @pytest.fixture
        def billing(wired) -> Billing:
            return wired[Billing]
        """,
    "src/app/modules/ordering/tests/test_a.py": """
        import pytest

        @pytest.mark.usefixtures("billing")
        async def test_it(billing):
            assert await billing.charge()
        """,
    "src/app/modules/catalog/tests/test_b.py": "def test_it(billing): ...\n",
}


@pytest.mark.parametrize("case", CASES)
def test_what_refers_to_it_follows_and_what_does_not_stays(case, becomes):
    before, after = CASES[case]
    now = becomes(ORDERING, before)
    assert now == dedent(after or before).lstrip("\n")
    compile(now, case, "exec")


def test_a_fixture_is_renamed_with_all_who_get_it(rename):
    after = {file.was: file.after.decode() for file in rename(FIXTURES).files}
    assert "def invoicing(wired) -> Invoicing:" in after[next(iter(FIXTURES))]
    test = after["src/app/modules/ordering/tests/test_a.py"]
    assert 'usefixtures("invoicing")' in test
    assert "test_it(invoicing):\n    assert await invoicing.charge()" in test
    assert "src/app/modules/catalog/tests/test_b.py" not in after


def test_a_fixture_stays_for_all_if_one_of_them_cannot_follow(rename):
    more = {"src/app/modules/ordering/tests/test_c.py": "def test_it(billing, invoicing): ...\n"}
    after = {file.was: file.after.decode() for file in rename(FIXTURES | more).files}
    assert "def billing(wired) -> Invoicing:" in after[next(iter(FIXTURES))]
    assert "src/app/modules/ordering/tests/test_a.py" not in after


def test_a_class_that_is_imported_from_elsewhere_is_followed_there(rename):
    done = rename(
        {
            "src/app/modules/ordering/x.py": "from app.modules.billing import Billing\n",
            "src/app/modules/ordering/y.py": "from .x import Billing\n\na = Billing\n",
        }
    )
    after = {file.was: file.after.decode() for file in done.files}
    assert after["src/app/modules/ordering/y.py"] == "from .x import Invoicing\n\na = Invoicing\n"


def test_a_parameter_stays_where_another_function_of_the_name_has_it_too(becomes):
    text = """
        from app.modules.billing import Charge, Billing

        class A:
            def use(self, billing: Billing): ...

        class B:
            def use(self, billing: bool): ...

        def f(it):
            it.use(billing=True)
        """
    now = becomes(ORDERING, text)
    assert "it.use(billing=True)" in now
    assert "def use(self, billing: Invoicing)" in now
