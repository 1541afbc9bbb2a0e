"""Python files follow what moved: each case is a file before and after, and what is left to people."""

from textwrap import dedent

import pytest

from scaffold import codemods
from scaffold.changes import read, since

CHANGES = b"""
- version: 1.0.0
  changes:
    - {move: "app.platform.events:Event", to: "app.platform.signals:Event"}
    - {move: "app.platform.events:Old", to: "app.platform.jobs:New"}
    - {move: app.platform.development, to: app.development.database}
    - {move: "app.platform.development:stop", to: "app.platform.lifeline:stop"}
    - {removed: "app.platform.events:Gone", because: Use a job.}
    - {changed: "app.platform.wiring:Module", because: It takes a name.}
    - {move: "app.platform.database:Database.read", to: "app.platform.database:Database.reading"}
- version: 1.1.0
  changes:
    - {move: app.platform.signals, to: app.platform.jobs}
"""
NEW = since(read(CHANGES, "test"), [])


def rewrite(before: str, used: tuple[str, ...] = (), name: str = "app.modules.billing.service"):
    made = codemods.rewrite(dedent(before).encode(), name, NEW, used)
    compile(made.content, "made", "exec")
    return made


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            "from app.platform.events import Event\n\nclass Made(Event): ...\n",
            "from app.platform.jobs import Event\n\nclass Made(Event): ...\n",
            id="one name, over two releases",
        ),
        pytest.param(
            "from app.platform.events import Event as E\nE()\n",
            "from app.platform.jobs import Event as E\nE()\n",
            id="under another name",
        ),
        pytest.param(
            "from app.platform.events import Event, Events  # both\nEvent, Events\n",
            "from app.platform.events import Events  # both\nfrom app.platform.jobs import Event\nEvent, Events\n",
            id="one of two names",
        ),
        pytest.param(
            "from app.platform.events import (\n    Event,  # why\n    Old as O,\n)\nEvent, O\n",
            "from app.platform.jobs import (\n    Event,  # why\n    New as O,\n)\nEvent, O\n",
            id="all names in parentheses, with a comment",
        ),
        pytest.param(
            "from app.platform.events import (\n    Event,\n    Events,\n    Old as O,\n)\nEvent, O\n",
            "from app.platform.events import (\n    Events,\n    )\nfrom app.platform.jobs import Event, New as O\nEvent, O\n",
            id="two of three names",
        ),
        pytest.param(
            "from app.platform.events import Event\nfrom app.platform.jobs import job\nEvent, job\n",
            "from app.platform.jobs import Event\nfrom app.platform.jobs import job\nEvent, job\n",
            id="beside an import of the new place",
        ),
        pytest.param(
            "from app.platform.events import Event\nfrom app.platform.jobs import Event\nEvent\n",
            "from app.platform.jobs import Event\nEvent\n",
            id="imported from the new place already",
        ),
        pytest.param(
            "from app.platform.events import Old\n\ndef f(x: Old) -> 'Old | None':\n    return Old(old=Old)\n",
            "from app.platform.jobs import New\n\ndef f(x: New) -> 'New | None':\n    return New(old=New)\n",
            id="a renamed name, and its uses, in quotes too",
        ),
        pytest.param(
            "from app.platform.events import Old\nNew = 1\nOld, New\n",
            "from app.platform.jobs import New as Old\nNew = 1\nOld, New\n",
            id="renamed to what is taken",
        ),
        pytest.param(
            "from app.platform.events import Old\n\ndef f():\n    New = 1\n    return Old, New\n",
            "from app.platform.jobs import New as Old\n\ndef f():\n    New = 1\n    return Old, New\n",
            id="renamed to what is taken further in",
        ),
        pytest.param(
            "from app.platform.events import Old\nOld = Old or None\n",
            "from app.platform.jobs import New as Old\nOld = Old or None\n",
            id="a renamed name that is bound again",
        ),
        pytest.param(
            "from app.platform.events import Old\n__all__ = ['Old']\n",
            "from app.platform.jobs import New as Old\n__all__ = ['Old']\n",
            id="a renamed name that is exported",
        ),
        pytest.param(
            "try:\n    from app.platform.events import Old\nexcept ImportError:\n    Old = None\nOld\n",
            "try:\n    from app.platform.jobs import New as Old\nexcept ImportError:\n    Old = None\nOld\n",
            id="an import that may fail",
        ),
        pytest.param(
            "import app.platform.events\nx = app.platform.events.Event()\n",
            "import app.platform.jobs\nx = app.platform.jobs.Event()\n",
            id="by its whole name",
        ),
        pytest.param(
            "import app.platform.events\napp.platform.events.Event, app.platform.events.Events\n",
            "import app.platform.events\nimport app.platform.jobs\napp.platform.jobs.Event, app.platform.events.Events\n",
            id="by its whole name, with what stays",
        ),
        pytest.param(
            "import app.platform.events\napp.platform.events.Event, app.platform.reading.Reading\n",
            "import app.platform.jobs\napp.platform.jobs.Event, app.platform.reading.Reading\n",
            id="by its whole name, with what somebody else imports",
        ),
        pytest.param(
            "import app.platform.development\napp.platform.development.make(app.platform.development.stop)\n",
            "import app.development.database\nimport app.platform.lifeline\napp.development.database.make(app.platform.lifeline.stop)\n",
            id="a module, and what left it",
        ),
        pytest.param(
            "import app.platform.development as d, os\nd.make(os)\n",
            "import os\nimport app.development.database as d\nd.make(os)\n",
            id="a module under another name, beside another",
        ),
        pytest.param(
            "import os; import app.platform.development as d; d.make()\n",
            "import os; import app.development.database as d; d.make()\n",
            id="several statements on a line",
        ),
        pytest.param(
            "from app.platform import events\nevents.Event, events.Events\n",
            "from app.platform import events\nfrom app.platform import jobs\njobs.Event, events.Events\n",
            id="from a module that stays",
        ),
        pytest.param(
            "from app.platform import events\nclass Made(events.Event): ...\n",
            "from app.platform import jobs\nclass Made(jobs.Event): ...\n",
            id="from a module that is not needed any more",
        ),
        pytest.param(
            "from app.platform import events, jobs\nevents.Event, jobs.job\n",
            "from app.platform import jobs\njobs.Event, jobs.job\n",
            id="to a module that is imported already",
        ),
        pytest.param(
            "from app.platform import events\n\ndef f(jobs):\n    return events.Event, jobs\n",
            "from app.platform import jobs as platform_jobs\n\ndef f(jobs):\n    return platform_jobs.Event, jobs\n",
            id="to a module whose name is taken",
        ),
        pytest.param(
            "from app import platform\nplatform.events.Event, platform.events.Events\n",
            "from app import platform\nfrom app.platform import jobs\njobs.Event, platform.events.Events\n",
            id="from the package",
        ),
        pytest.param(
            "from app.platform import development\ndevelopment.make(development.stop)\n",
            "from app.development import database\nfrom app.platform import lifeline\ndatabase.make(lifeline.stop)\n",
            id="from a module that moved, and what left it",
        ),
        pytest.param(
            "from app.platform import development\n\ndef f(database):\n    development.make(database)\n",
            "from app.development import database as development\n\ndef f(database):\n    development.make(database)\n",
            id="from a module that moved to a name that is taken",
        ),
        pytest.param(
            "from app.platform.development.inner import deep\ndeep()\n",
            "from app.development.database.inner import deep\ndeep()\n",
            id="below a module that moved",
        ),
        pytest.param(
            "from ...platform.events import Event\nEvent\n",
            "from app.platform.jobs import Event\nEvent\n",
            id="relative",
        ),
        pytest.param(
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from app.platform.events import Event\nx: 'list[Event]'\n",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from app.platform.jobs import Event\nx: 'list[Event]'\n",
            id="for the type checker",
        ),
        pytest.param(
            "if 1: from app.platform.events import Event\n",
            "if 1: from app.platform.jobs import Event\n",
            id="behind a colon",
        ),
        pytest.param(
            "def f():\n    from app.platform import events\n    return events.Event()\n",
            "def f():\n    from app.platform import jobs\n    return jobs.Event()\n",
            id="in a function",
        ),
        pytest.param(
            "from typing import Annotated\nfrom app.platform.events import Old\nx: Annotated['Old', 'Old is kept'] = 1\n",
            "from typing import Annotated\nfrom app.platform.jobs import New\nx: Annotated['New', 'Old is kept'] = 1\n",
            id="Annotated",
        ),
        pytest.param(
            "from app.platform.events import Old\nf'{Old}', {'Older': 1}, x.Old, f(Old=1)\n",
            "from app.platform.jobs import New\nf'{New}', {'Older': 1}, x.Old, f(Old=1)\n",
            id="only what is the name",
        ),
        pytest.param(
            "from app.platform import events\nx: 'list[events.Event | events.Old]'\n",
            "from app.platform import jobs\nx: 'list[jobs.Event | jobs.New]'\n",
            id="from a module, in quotes",
        ),
        pytest.param(
            "from app.platform.events import Old\nmatch x:\n    case Old(): ...\n",
            "from app.platform.jobs import New\nmatch x:\n    case New(): ...\n",
            id="matched",
        ),
        pytest.param(
            "from app.platform.events import Old\nglobals()['Old']\n",
            "from app.platform.jobs import New as Old\nglobals()['Old']\n",
            id="looked up in the file itself",
        ),
        pytest.param(
            "from app.platform.events import Event\r\nEvent\r\n",
            "from app.platform.jobs import Event\r\nEvent\r\n",
            id="other line ends",
        ),
        pytest.param(
            "\ufefffrom app.platform.events import Event\n",
            "\ufefffrom app.platform.jobs import Event\n",
            id="a byte order mark",
        ),
        pytest.param(
            "from app.platform.eventstore import Event\nfrom events import Event as E\n",
            "from app.platform.eventstore import Event\nfrom events import Event as E\n",
            id="other things of the name",
        ),
    ],
)
def test_a_file_follows(before: str, after: str) -> None:
    made = rewrite(before)
    assert made.content.decode() == after
    assert made.to_do == []
    assert bool(made.done) == (before != after)
    assert (
        codemods.rewrite(made.content, "app.modules.billing.service", NEW).content == made.content
    )


MOVED = "app.platform.events:Event is now app.platform.jobs:Event"


@pytest.mark.parametrize(
    ("before", "line", "what"),
    [
        ("x = 1\nfrom app.platform.events import *\n", 2, "imports all of app.platform.events"),
        ("from app.platform.events import Gone\n", 1, "app.platform.events:Gone was removed: Use a job."),
        ("import app.platform.events\napp.platform.events.Gone\n", 2, "was removed: Use a job."),
        ("from app.platform import events\nevents.Gone\n", 2, "was removed: Use a job."),
        ("from app.platform import events\ngetattr(events, 'Event')\n", 2, MOVED),
        ("from app.platform import events\nm.setattr(events, 'Event', 1)\n", 2, MOVED),
        ("from app.platform import events\nvars(events)\n", 2, "uses app.platform.events as a value"),
        ("\nm.setattr('app.platform.events.Event', 1)\n", 2, f"in quotes: {MOVED}"),
        ("f('app.platform.events:Event.name')\n", 1, f"in quotes: {MOVED}"),
        ("f(f'app.platform.development.{name}')\n", 1, "is now app.development.database"),
        ("import_module('app.platform.events')\n", 1, "imports app.platform.events by name"),
        ("importlib.import_module(f'app.platform.{x}')\n", 1, "by a computed name"),
        ("__import__('app.' + x)\n", 1, "by a computed name"),
        ("from app.platform import events\nevents = f(events)\nevents.Event\n", 3, "bound again"),
        ("from app.platform.wiring import Module\nModule(1)\n", 2, "Module changed: It takes a name."),
        (
            "from app.platform.database import Database\ndef f(db: Database):\n    db.read()\n",
            3,
            "if this is app.platform.database:Database.read",
        ),
        (
            "from app.platform.database import Database\nclass D(Database):\n    def read(self): ...\n",
            3,
            "if this is app.platform.database:Database.read",
        ),
    ],
)  # fmt: skip
def test_what_is_not_safe_is_listed_and_left(before: str, line: int, what: str) -> None:
    made = rewrite(before)
    assert made.content.decode() == before
    assert any(at == line and what in said for at, said in made.to_do), made.to_do


@pytest.mark.parametrize(
    "text",
    [
        '"""Says app.platform.events.Event."""\n',
        "def read(): ...\n",
        "import logging\nlogging.getLogger('app.platform.events')\n",
        "from app.platform.events import Events\nEvents\n",
        "from app.platform import events\nevents.Events, getattr(events, 'Events')\n",
        "from app.platform.database import Tx\ntx.read()\n",
        "import_module('app.modules.' + name)\n",
    ],
)
def test_nothing_is_said_of_what_has_not_moved(text: str) -> None:
    made = rewrite(text)
    assert (made.content.decode(), made.to_do) == (text, [])


def test_a_name_that_others_take_from_here_stays_here() -> None:
    made = rewrite("from app.platform.events import Old\n", ("app.modules.billing.service.Old",))
    assert made.content == b"from app.platform.jobs import New as Old\n"
    package = "app.modules.billing.__init__"
    made = rewrite("from app.platform.events import Old\n", name=package)
    assert made.content == b"from app.platform.jobs import New as Old\n"


def test_relative_imports_of_a_package_begin_at_itself() -> None:
    made = rewrite("from ...platform.events import Event\n", name="app.modules.billing.__init__")
    assert made.content == b"from app.platform.jobs import Event\n"


def test_a_file_does_not_import_from_itself() -> None:
    text = "from app.platform.events import Event\n"
    made = rewrite(text, name="app.platform.jobs")
    assert made.content.decode() == text
    assert made.to_do == [(1, f"{MOVED}, which is this file")]


def test_an_import_that_is_still_needed_stays() -> None:
    made = rewrite("from app.platform import events\nevents.Event\nx: 'events.Events'\n")
    assert b"import events\n" in made.content
    made = rewrite("from app.platform import events\nevents.Event\n__all__ = ['events']\n")
    assert b"import events\n" in made.content
    made = rewrite("import app.platform.events\napp.platform.events.Event\nx: 'app.platform.events.Events'\n")  # fmt: skip
    assert b"import app.platform.events\n" in made.content


def test_what_is_no_python_is_a_value_error() -> None:
    for content in (b"def broken(:\n", b"\xff\n", b"# coding: nonsense\n"):
        with pytest.raises(ValueError, match=r"\w"):
            codemods.rewrite(content, "app.main", NEW)
