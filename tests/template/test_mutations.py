"""Ten promises of the platform, each broken by one edit: the tests of its room turn red."""

import sys
from typing import NamedTuple

import pytest
from generated import Repository

pytestmark = pytest.mark.mutations


class Mutation(NamedTuple):
    """An edit of a room, and the tests that look there first."""

    file: str
    old: str
    new: str
    tests: str

    @property
    def room(self) -> str:
        return self.file.split("/")[0]


MUTATIONS = {
    "idempotency is off": Mutation(
        "web/idempotency.py",
        'if scope["type"] == "http" and scope["method"] not in _SAFE:',
        "if False:",
        "test_idempotency.py",
    ),
    "the fingerprint is ignored": Mutation(
        "web/idempotency.py",
        'if known.fingerprint != claim.row["fingerprint"]:',
        "if False:",
        "test_idempotency.py",
    ),
    "the body limit is off": Mutation(
        "web/limits.py", "= settings.request_body_limit", "= 2**60", "test_limits.py"
    ),
    "the request timeout is off": Mutation(
        "web/limits.py", "= settings.request_timeout", "= 3600.0", "test_limits.py"
    ),
    "the rate limit is off": Mutation(
        "web/access.py", "wait := self._rates.wait(caller)", "wait := 0.0", "test_access.py"
    ),
    "nothing recovers what dead workers left": Mutation(
        "jobs/recovery.py",
        "    await queue.driver.execute(_RECOVER, timedelta(seconds=silence), [*elsewhere])",
        "    return",
        "test_worker.py",
    ),
    "a worker that stops does not wait": Mutation(
        "jobs/worker.py", "late = await self._drain()", "late = list[JobId]()", "test_worker.py"
    ),
    "redaction is off": Mutation(
        "telemetry/redaction.py",
        "return _without_secrets(value, name, _DEEPEST)",
        "return value",
        "test_redaction.py",
    ),
    "a read may write": Mutation(
        "database/engine.py",
        '" SET TRANSACTION READ ONLY;" if speaking.read_only else ""',
        '""',
        "test_reading.py",
    ),
    "the audience is not checked": Mutation(
        "auth/tokens.py",
        '"verify_nbf": False,',
        '"verify_nbf": False, "verify_aud": False,',
        "test_tokens.py",
    ),
}


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_the_tests_of_the_room_notice(shop: Repository, mutation: Mutation) -> None:
    shop.replace(f"src/app/platform/{mutation.file}", mutation.old, mutation.new)
    try:
        room = f"tests/platform/{mutation.room}"
        selected = shop.run(sys.executable, "-m", "checks.changed", "--edited").stdout
        assert selected.splitlines()[-1].split()[-1] == room
        done = shop.pytest("-x", f"{room}/{mutation.tests}", check=False)
        if done.returncode == 0:
            done = shop.pytest("-x", room, check=False)
        assert done.returncode == 1, done.stdout
        assert "1 failed" in done.stdout
    finally:
        shop.git("checkout", "--quiet", "src")
