#!/usr/bin/env bash
# openfeature-flagd-core 2.0.0 (Python) and @openfeature/flagd-core 4.0.1 (npm), the newest evaluators of both
# languages: one file of flags, and other people in the same half. Each gives "on" to about 50 % of a thousand, but
# they disagree on every second of them: `fractional` hashes the keys of flag and person as CBOR in Python, and as
# joined text in JavaScript. Python did so until 1.0.0: the update to 2.0.0 deals all rollouts anew.
# Rules differ as well: in Python `%` takes the sign of the divisor, `===` is Python's `==`, where 1 is True, `cat`
# says "True", and an empty object is true, where it is false in JavaScript.
SEEN='
rollout, of 1000 people
  on in all three about half: True
  Python 1.0.0 and npm 4.0.1 disagree on: 0
  Python 2.0.0 and npm 4.0.1 disagree on about half: True
rules, Python 2.0.0 and npm 4.0.1
  -1 % 3 == -1: off, on
  1 === true: on, off
  cat(true) == "true": off, on
  if {}: on, off
'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for version in 1.0.0 2.0.0; do
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/pip" install --quiet --quiet --disable-pip-version-check \
    "openfeature-flagd-core==$version" openfeature-sdk==0.10.0 panzi-json-logic==1.0.1
done
npm install --silent --no-fund --no-audit --prefix "$folder" \
  @openfeature/flagd-core@4.0.1 @openfeature/core@1.12.0 json-logic-engine@5.0.7
cd "$folder"
cat >questions.py <<'PYTHON'
import json

RULES = {
    "-1 % 3 == -1": ({"==": [{"%": [{"var": "given"}, 3]}, -1]}, -1),
    "1 === true": ({"===": [{"var": "given"}, True]}, 1),
    'cat(true) == "true"': ({"==": [{"cat": [{"var": "given"}]}, "true"]}, True),
    "if {}": ({"var": "given"}, {}),
}
targeting = {name: {"if": [rule, "on", "off"]} for name, (rule, _) in RULES.items()}
targeting["rollout"] = {"fractional": [["on", 50], ["off", 50]]}
flags = {
    name: {
        "state": "ENABLED",
        "variants": {"on": "on", "off": "off"},
        "defaultVariant": "off",
        "targeting": rule,
    }
    for name, rule in targeting.items()
}
questions = [("rollout", f"person-{number}", {}) for number in range(1000)]
questions += [(name, "person", {"given": given}) for name, (_, given) in RULES.items()]
with open("flags.json", "w") as file:
    json.dump({"flags": flags}, file)
with open("questions.json", "w") as file:
    json.dump(questions, file)
PYTHON
cat >answers.py <<'PYTHON'
import json

from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext

core = FlagdCore()
core.set_flags(open("flags.json").read())
answers = [
    core.resolve_string_value(flag, "", EvaluationContext(person, known)).value
    for flag, person, known in json.load(open("questions.json"))
]
print(json.dumps(answers))
PYTHON
cat >answers.cjs <<'JAVASCRIPT'
const { readFileSync } = require("node:fs");
const { FlagdCore } = require("@openfeature/flagd-core");

const core = new FlagdCore();
core.setConfigurations(readFileSync("flags.json", "utf8"));
const answers = JSON.parse(readFileSync("questions.json", "utf8")).map(
  ([flag, targetingKey, known]) =>
    core.resolveStringEvaluation(flag, "", { targetingKey, ...known }).value,
);
console.log(JSON.stringify(answers));
JAVASCRIPT
python3 questions.py
1.0.0/bin/python answers.py >python1.json
2.0.0/bin/python answers.py >python2.json
node answers.cjs >npm.json
printed=$(python3 - <<'PYTHON'
import json

python1, python2, npm = (json.load(open(f"{name}.json")) for name in ("python1", "python2", "npm"))
questions = json.load(open("questions.json"))


def disagree(some, others) -> int:
    return sum(one != other for one, other in zip(some[:1000], others[:1000]))


def half(number: int) -> bool:
    return 400 < number < 600


print("rollout, of 1000 people")
on = [answers[:1000].count("on") for answers in (python1, python2, npm)]
print("  on in all three about half:", all(map(half, on)))
print("  Python 1.0.0 and npm 4.0.1 disagree on:", disagree(python1, npm))
print("  Python 2.0.0 and npm 4.0.1 disagree on about half:", half(disagree(python2, npm)))
print("rules, Python 2.0.0 and npm 4.0.1")
for number, (flag, _, _) in enumerate(questions[1000:], 1000):
    print(f"  {flag}: {python2[number]}, {npm[number]}")
PYTHON
)
echo "$printed"
[ "$printed" = "$(echo "$SEEN" | sed '/^$/d')" ]
