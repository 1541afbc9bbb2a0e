"""The answers of a rendering: what was recorded, and what follows from it, as Copier reads them.

Nothing is asked here. A question whose answer is not recorded takes its default, and is told.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Undefined

from scaffold.errors import ScaffoldError
from scaffold.repository import load_yaml

_KNOWN = {
    "choices",
    "default",
    "help",
    "multiline",
    "placeholder",
    "qmark",
    "type",
    "validator",
    "when",
}
_TYPES = {"bool", "float", "int", "str", "yaml"}
_TRUE = {"y", "yes", "t", "true", "on"}


class UnknownFeatureError(Exception):
    """The template uses what only Copier knows."""


class RefusedAnswerError(ScaffoldError):
    """A recorded answer is none that the template takes."""


@dataclass
class Answers:
    """The answers to the questions of a template.

    Attributes:
        values: by question, in their order, those that were computed included.
        hidden: the questions that were not put: they are not recorded.
        defaults: the questions that nobody has answered.
    """

    values: dict[str, Any] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    defaults: dict[str, Any] = field(default_factory=dict)


Render = Callable[[str, Mapping[str, Any]], str]


def answer(
    questions: Mapping[str, Any],
    render: Render,
    given: Mapping[str, Any],
    recorded: Mapping[str, Any],
    more: Mapping[str, Any],
    check: bool = True,
) -> Answers:
    """Answer every question of a template.

    Args:
        questions: by name, as `copier.yml` has them.
        render: renders a string with values.
        given: answers that count whatever the question's `when` says, as those of `--data`.
        recorded: answers of an answers file; a question that is not put forgets its own.
        more: further values for defaults, conditions and validators.
        check: whether an answer must be one that the template takes.

    Raises:
        UnknownFeatureError: where a question needs Copier.
        RefusedAnswerError: where a given or recorded answer will not do.
    """
    answers = Answers()
    recorded = dict(recorded)
    for name, details in questions.items():
        question = _Question(name, details)
        context = {**recorded, **more, **given, **answers.values}

        def read(text: Any, context: Mapping[str, Any] = context) -> Any:
            return render(text, context) if isinstance(text, str) else text

        is_put = _truth(read(question.when))
        if not is_put:
            answers.hidden.add(name)
            recorded.pop(name, None)
        if name in given or name in recorded:
            raw = given.get(name, recorded.get(name))
        elif question.default is _MISSING:
            if is_put:
                raise RefusedAnswerError(f"the template asks {name}, which has no default")
            continue
        else:
            raw = read(question.default)
            if is_put:
                answers.defaults[name] = raw
        value = question.parse(raw, read, check)
        if check and (is_put or name in given) and question.validator:
            wrong = render(question.validator, {**context, name: value}).strip()
            if wrong:
                raise RefusedAnswerError(f"the answer {value!r} to {name} will not do: {wrong}")
        answers.values[name] = value
        if name in answers.defaults:
            answers.defaults[name] = value
    return answers


_MISSING = object()


class _Question:
    """One question, as far as it can be answered without anybody."""

    def __init__(self, name: str, details: Any) -> None:
        if not isinstance(details, dict):  # The short form: a default alone.
            details = {"default": details}
        if unknown := details.keys() - _KNOWN:
            raise UnknownFeatureError(f"{name} has {', '.join(sorted(unknown))}")
        self.name = name
        self.default = details.get("default", _MISSING)
        self.when = details.get("when", True)
        self.validator = details.get("validator", "")
        self._choices = details.get("choices")
        kind = details.get("type", "")
        native = type(self.default).__name__
        self._type = kind or (native if native in _TYPES else "yaml")
        if self._type not in _TYPES:
            raise UnknownFeatureError(f"{name} has the type {self._type}")

    def parse(self, raw: Any, read: Callable[[Any], Any], check: bool) -> Any:
        try:
            value = self._cast(raw)
        except (TypeError, ValueError) as error:
            raise RefusedAnswerError(
                f"the answer {raw!r} to {self.name} is no {self._type}: {error}"
            ) from None
        if self._choices and check:
            known = [self._cast(each) for each in self._read_choices(read)]
            if value not in known:
                raise RefusedAnswerError(
                    f"the answer {value!r} to {self.name} is none of {', '.join(map(str, known))}"
                )
        return value

    def _read_choices(self, read: Callable[[Any], Any]) -> list[Any]:
        choices = self._choices
        if isinstance(choices, dict):
            choices = list(choices.values())
        if not isinstance(choices, list) or any(isinstance(c, dict | list) for c in choices):
            raise UnknownFeatureError(f"{self.name} has choices of an unknown form")
        return [read(each) for each in choices]

    def _cast(self, raw: Any) -> Any:
        if self._type == "yaml":
            return _load(raw) if isinstance(raw, str) else raw
        if raw is None or isinstance(raw, Undefined):
            raise ValueError("there is none")
        if self._type == "str":
            return raw if isinstance(raw, str) else str(raw)
        if self._type == "bool":
            return _truth(raw)
        return {"int": int, "float": float}[self._type](raw)


def _truth(value: Any) -> bool:
    """Read a condition as Copier does."""
    try:
        return bool(float(value))
    except (TypeError, ValueError):
        pass
    if isinstance(value, str):
        lower = value.strip().lower()
        return lower in _TRUE or bool(
            lower and lower not in {"n", "no", "f", "false", "off", "null", "none", "~"}
        )
    return bool(value)


def _load(text: str) -> Any:
    try:
        return load_yaml(text)
    except ValueError as error:
        raise ValueError(str(error).splitlines()[0]) from None
