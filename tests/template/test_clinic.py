"""A clinic, from the commands and a short patch: what is left to write by hand.

The patch holds what a developer writes: a slot that is taken once, an event, a reminder of it behind a
flag, a scope, and tests of all that. The same modules, grown from what `add-module` made before it knew
fields (2928f9c), took 617 lines: of each module, code and tests, those that it lacks, blank ones,
migrations and READMEs apart. Without PATCH, DELETE and versions, which nobody had asked for, they took
421 lines, of which 222 are in the patch.

Where a skeleton has changed so that the patch does not apply, make its edits in a clinic as the test makes
it, and write `git add --intent-to-add . && git diff` into the patch.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from generated import Generate, scaffold

PATCH = Path(__file__).parent / "clinic" / "clinic.patch"
BEFORE = 617
COMMANDS = {
    "patients": ("--entity", "patient", "--fields", "name:text born:date phone:text?"),
    "appointments": (
        *("--depends-on", "patients", "--entity", "appointment", "--fields"),
        "patient_id:uuid practitioner:text starts_at:datetime note:text?",
    ),
    "reminders": ("--bare", "--depends-on", "appointments"),
}


@pytest.mark.slow
def test_a_clinic_takes_at_most_half_the_lines_that_it_took(
    generate: Generate, record_property: Callable[[str, float], None]
) -> None:
    clinic = generate("clinic", modules="[]")
    for module, options in COMMANDS.items():
        scaffold("add-module", module, *options, cwd=clinic.path)
    clinic.commit("Add modules")
    clinic.git("apply", str(PATCH))
    clinic.run(".venv/bin/app", "make-migration", "reminders", "create reminders")
    clinic.make("check")
    added = [line[1:] for line in PATCH.read_text("utf-8").splitlines() if line[:1] == "+"]
    by_hand = [line for line in added if line.strip() and not line.startswith("++")]
    record_property("figure", len(by_hand) / BEFORE)
    assert 0 < len(by_hand) <= BEFORE / 2
