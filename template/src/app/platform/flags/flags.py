"""Flags: what is deployed is not yet released.

A module keeps its flags in its `flags.json` (`files.py` shows one) and asks for `Flags` by type in
its `build`:

    if self._flags.is_on("new_checkout", user=customer_id): ...

Targeting, by user, by percentage or by anything else, is worked out in this process.
"""

import logging
from typing import TYPE_CHECKING

from app.platform.telemetry import flag_evaluations

if TYPE_CHECKING:
    from openfeature.provider import FeatureProvider

logger = logging.getLogger("app.flags")

_MOST = 20
"""Reasons that are logged of one flag; some of them quote what was asked."""


def evaluate_with(provider: "FeatureProvider") -> None:
    """Let a provider of OpenFeature's say of all flags of this process whether they are on."""
    from openfeature import api

    api.set_provider_and_wait(provider)


class Flags:
    """The flags of one module."""

    def __init__(self, module: str) -> None:
        from openfeature import api
        from openfeature.evaluation_context import EvaluationContext

        self._module, self._context = module, EvaluationContext
        self._client = api.get_client()
        self._reported: dict[str, set[str]] = {}

    def is_on(self, flag: str, user: object = None, **attributes: str | int | float | bool) -> bool:
        """Say whether a flag is on: for a user, of whom `attributes` may tell more.

        A percentage needs a `user`: anything whose text stays the same, such as an id, so that they
        get the same answer each time. What cannot be evaluated is off, such as a rule about an
        attribute that is not given, and each reason logged once; nothing is raised.
        """
        key = f"{self._module}.{flag}"
        about = self._context(None if user is None else str(user), attributes)
        answer = self._client.get_boolean_details(key, False, about)
        known = key if answer.error_code is None else "unknown"
        flag_evaluations.labels(self._module, known, "on" if answer.value else "off").inc()
        if answer.error_code is not None:
            self._report(key, str(answer.error_message))
        return answer.value

    def _report(self, key: str, reason: str) -> None:
        reported = self._reported.setdefault(key, set())
        if reason not in reported and len(reported) < _MOST:
            reported.add(reason)
            logger.error("The flag %s counts as off: %s", key, reason)
