#!/usr/bin/env bash
# openfeature-flagd-core 2.0.0 (Python): a rule over an attribute that the caller did not pass still answers.
# A missing attribute compares as zero: `age < 18` is true of people of whom nothing is known, and the
# reason is TARGETING_MATCH, as if it had been found. `sem_ver ^` compares the major version only: 2.0.0
# fits "^ 2.3.0", as it would not in npm or Cargo.
# Seen on 2026-11-29 with openfeature-sdk 0.10.0:
#   age < 18, no age: True TARGETING_MATCH
#   age >= 18, no age: False TARGETING_MATCH
#   version ^ 2.3.0, version 2.0.0: True TARGETING_MATCH
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check openfeature-flagd-core==2.0.0 openfeature-sdk==0.10.0
"$folder/venv/bin/python" - <<'PYTHON'
import json

from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext

RULES = {
    "age < 18": {"<": [{"var": "age"}, 18]},
    "age >= 18": {">=": [{"var": "age"}, 18]},
    "version ^ 2.3.0": {"sem_ver": [{"var": "version"}, "^", "2.3.0"]},
}
core = FlagdCore()
core.set_flags(json.dumps({"flags": {
    name: {
        "state": "ENABLED",
        "variants": {"on": True, "off": False},
        "defaultVariant": "off",
        "targeting": {"if": [rule, "on", "off"]},
    }
    for name, rule in RULES.items()
}}))


def ask(name: str, **known: str) -> tuple[bool, str]:
    answer = core.resolve_boolean_value(name, False, EvaluationContext("somebody", known))
    return answer.value, str(answer.reason)


seen = {
    "age < 18, no age": ask("age < 18"),
    "age >= 18, no age": ask("age >= 18"),
    "version ^ 2.3.0, version 2.0.0": ask("version ^ 2.3.0", version="2.0.0"),
}
for what, (value, reason) in seen.items():
    print(f"{what}: {value} {reason.rpartition('.')[2]}")
assert [value for value, _ in seen.values()] == [True, False, True], seen
assert all(reason.endswith("TARGETING_MATCH") for _, reason in seen.values()), seen
PYTHON
