"""Where answers come from: options, a file, what the repository says, the terminal, or assumed."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from scaffold.deciding.answers import Answers, Pain, Products, contradiction
from scaffold.deciding.facts import Facts
from scaffold.errors import ScaffoldError


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        name: of the answer, the option and the key in a file.
        asked: the question itself, with what an answer may be.
        default: what Enter means. Where it is none, somebody has to say.
        assumed: whether it may be left open.
    """

    name: str
    asked: str
    default: Any
    assumed: bool = False


_A_PART = "Is there one part of the system that "

QUESTIONS = (
    Question("engineers", "How many engineers work on the system?", 8),
    Question("teams", "In how many teams?", None),
    Question(
        "products",
        "What do they build? one: one product. suite: several that change and ship together.\n"
        "several: several that could ship without each other.",
        "one",
    ),
    Question(
        "hurts",
        f"What hurts today? Any of {', '.join(Pain)}, with commas between; or none.",
        "none",
        assumed=True,
    ),
    Question(
        "isolation",
        f"{_A_PART}regulation, or the damage, forbids to fail with the rest?\n"
        "Such as payments that must go on when reports are down.",
        "no",
        assumed=True,
    ),
    Question(
        "scaling",
        f"{_A_PART}scales in a wildly different way?\n"
        "Such as video on GPUs beside forms and tables. Merely being busy is none.",
        "no",
        assumed=True,
    ),
    Question(
        "technology",
        f"{_A_PART}must be built in another technology?\n"
        "Such as a core with a hard limit on latency. Liking another language is none.",
        "no",
        assumed=True,
    ),
    Question(
        "partner",
        f"{_A_PART}partners build on, by a public contract that you keep for years?\n"
        "An API that only your own clients call is none.",
        "no",
        assumed=True,
    ),
)


class MissingError(ScaffoldError):
    """Answers are missing, and there is nobody to ask."""


@dataclass(frozen=True)
class Answered:
    """The answers, and for each where it is from: option, file, a fact's source, asked, assumed."""

    answers: Answers
    sources: dict[str, str]


def collect(
    options: Mapping[str, Any],
    file: Path | None,
    facts: Facts,
    ask: Callable[[str, str, Any, str], Any] | None,
) -> Answered:
    """Take each answer from where it is said most plainly, and ask for the rest.

    Args:
        options: what was said on the command line, by question; none if nothing was.
        file: of answers, in TOML.
        facts: what the repository says.
        ask: puts a question to somebody; none where nobody is there.

    Raises:
        MissingError: nobody is there, and something must be known.
        ScaffoldError: an answer is none, or answers contradict each other.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, given in (("option", options), ("file", read_file(file) if file else {})):
        for name, raw in given.items():
            if name not in values and raw is not None:
                values[name], sources[name] = parse(name, raw), source
    if refusal := contradiction(values):
        raise ScaffoldError(refusal)
    known, odd = _known(values, facts)
    for question in QUESTIONS:
        if question.name in values:
            continue
        fact = known.get(question.name)
        if ask:
            values[question.name] = _ask(question, values, facts, fact, ask)
            sources[question.name] = "asked"
        elif fact is not None:
            values[question.name] = fact
            sources[question.name] = facts.about(question.name)[0].source
        elif question.assumed:
            values[question.name] = parse(question.name, question.default)
            sources[question.name] = "assumed"
    if missing := [f"--{each.name}" for each in QUESTIONS if each.name not in values]:
        raise MissingError(
            f"there is no terminal to ask on, and {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing; pass {_them(missing)}, or a file of "
            f"answers by --answers{odd}"
        )
    return Answered(Answers.of(values), sources)


def _known(values: Mapping[str, Any], facts: Facts) -> tuple[dict[str, int], str]:
    """What facts answer; and what they do not, since it cannot be true beside the other answers."""
    known: dict[str, int] = {}
    odd = ""
    for name, value in facts.answers:
        if name in values:
            continue
        if refusal := contradiction({**values, **known, name: value}):
            source = facts.about(name)[0].source
            odd = f" ({source} does not answer it: {refusal.partition(';')[0]})"
        else:
            known[name] = value
    return known, odd


def parse(name: str, raw: Any) -> Any:
    """Read one answer, as somebody types it or as TOML has it."""
    if name in ("engineers", "teams"):
        return _number(name, raw)
    if name == "products":
        return _one_of(name, raw, list(Products))
    if name == "hurts":
        parts = [part.strip() for part in raw.split(",")] if isinstance(raw, str) else raw
        if not isinstance(parts, list | tuple):
            raise ScaffoldError(f"`hurts` is {raw!r}; name any of {', '.join(Pain)}, or none")
        named = [part for whole in parts for part in str(whole).split(",")]
        wanted = [part.strip() for part in named if part.strip() not in ("", "none")]
        return list(dict.fromkeys(_one_of(name, part, list(Pain)) for part in wanted))
    return _truth(name, raw)


def read_file(file: Path) -> dict[str, Any]:
    """Read a file of answers. What no question asks is refused, as it would be lost."""
    try:
        found = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise ScaffoldError(f"{file} is not there; --answers takes a file in TOML") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScaffoldError(f"{file} is no TOML ({error}); mend it") from None
    names = [question.name for question in QUESTIONS]
    for name, raw in found.items():
        if name not in names:
            raise ScaffoldError(
                f"{file}: nobody asks for {name!r}; {_near(name, names) or 'take it out'}"
            )
        try:
            parse(name, raw)
        except ScaffoldError as error:
            raise ScaffoldError(f"{file}: {error}") from None
    return found


def _ask(
    question: Question,
    values: Mapping[str, Any],
    facts: Facts,
    fact: int | None,
    ask: Callable[[str, str, Any, str], Any],
) -> Any:
    default = fact if fact is not None else question.default
    if default is None:
        default = max(1, round(values["engineers"] / 8))
    known = [f"  from {each.source}: {each.text}" for each in facts.about(question.name)]
    about, wrong = "\n".join(["", question.asked, *known]), ""
    while True:
        try:
            answer = parse(question.name, ask(question.name, about, default, wrong))
        except ScaffoldError as error:
            wrong = str(error)
            continue
        wrong = contradiction({**values, question.name: answer})
        if not wrong:
            return answer


def _number(name: str, raw: Any) -> int:
    if isinstance(raw, str) and raw.strip().isascii() and len(raw.strip()) < 10:
        try:
            return int(raw)
        except ValueError:
            pass
    if isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    raise ScaffoldError(f"`{name}` is {raw!r}; say a whole number, such as 8")


def _one_of(name: str, raw: Any, known: list[Any]) -> Any:
    text = str(raw).strip().lower().replace("_", "-").replace(" ", "-")
    if text in known:
        return known[known.index(text)].value
    near = _near(text, known)
    raise ScaffoldError(f"`{name}` is {raw!r}; {near or 'say one of ' + ', '.join(known)}")


def _truth(name: str, raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    text = str(raw).strip().lower()
    if text in ("y", "yes", "true"):
        return True
    if text in ("n", "no", "false", "none"):
        return False
    raise ScaffoldError(f"`{name}` is {raw!r}; say yes or no")


def _near(text: str, known: list[Any]) -> str:
    near = get_close_matches(text, [str(each) for each in known], n=1)
    return f"did you mean {near[0]}?" if near else ""


def _them(missing: list[str]) -> str:
    return "it" if len(missing) == 1 else "them"
